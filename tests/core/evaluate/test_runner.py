"""The runner: calls, items and scores of any benchmark, and errors that name one that breaks its contract."""

from __future__ import annotations

import copy
import math
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from benchmarks_for_tests import RED, Simple, Spy, ask, draw, many, quiet
from janiform import (
    ComponentError,
    Conversation,
    Look,
    Metric,
    Model,
    Request,
    Score,
    Turn,
    UnifiedModel,
    UsageError,
    provenance_of,
)
from janiform.evaluate.requests import ServedRequests
from janiform.evaluate.runner import Evaluation, evaluate, uninformative
from janiform.recipe import Pathway
from PIL import Image


def run(model: Model | UnifiedModel, benchmark: Any = None, **settings: Any) -> Evaluation:
    model = model if isinstance(model, Model) else Model(model)
    return evaluate(model, benchmark or Simple(), quiet, **settings)


def test_items_are_in_the_order_of_requests_with_the_losses_behind(tiny_model: UnifiedModel) -> None:
    evaluation = run(tiny_model)
    judged = [item for item in evaluation.items if not item.metric.startswith("loss.")]
    assert [(item.metric, item.item, item.cluster) for item in judged] == [
        ("draws.red", "draw/0", "draw/0"),
        ("draws.size", "draw/0", "draw/0"),
        ("looks.even", "ask/0", "ask/0"),
        ("draws.red", "draw/1", "draw/0"),
        ("draws.size", "draw/1", "draw/0"),
        ("looks.even", "ask/1", "ask/1"),
        ("draws.red", "draw/2", "draw/1"),
        ("draws.size", "draw/2", "draw/1"),
    ]
    assert [item.metric for item in evaluation.items[len(judged) :]] == ["loss.picture"] * 3 + ["loss.answer"] * 2
    assert list(evaluation.scores) == ["looks.even", "draws.red", "draws.size", "loss.picture", "loss.answer"]
    assert list(evaluation.metrics) == list(evaluation.scores)
    assert evaluation.metrics["loss.answer"].direction == "down"
    assert evaluation.scores["draws.size"] == Score(16.0, 3, 16.0, 16.0)
    losses = [item.value for item in evaluation.items if item.metric == "loss.picture"]
    assert evaluation.scores["loss.picture"].value == pytest.approx(math.fsum(losses) / 3)


def test_everything_is_drawn_and_asked_in_one_call_each_as_by_hand(tiny_model: UnifiedModel) -> None:
    spy = Spy(tiny_model)
    outputs: dict[str, Any] = {}

    class Keeps(Simple):
        def judge(self, request: Request, output: Any) -> Mapping[str, float]:
            outputs[request.item] = output
            return super().judge(request, output)

    run(spy, Keeps())
    assert [name for name, *_ in spy.calls] == ["draw", "ask"]
    by_hand = Model(tiny_model).generate(["a red circle"] * 3, seed=[7, 8, 9])
    for number, picture in enumerate(by_hand):
        assert outputs[f"draw/{number}"].tobytes() == picture.tobytes()
    assert [outputs["ask/0"], outputs["ask/1"]] == Model(tiny_model).ask_all([(RED, "red?")] * 2, max_new_tokens=3)


def test_requests_with_other_settings_have_calls_of_their_own(tiny_model: UnifiedModel) -> None:
    spy = Spy(tiny_model)
    hot = {"temperature": 0.7, "guidance": None}
    evaluation = run(spy, Simple(given=[draw(0), draw(1, settings=hot), draw(2), ask(0, settings={})]))
    drawn = [(settings["seed"], settings.get("temperature")) for name, _, settings in spy.calls if name == "draw"]
    assert drawn == [([7, 9], None), ([8], 0.7)]
    assert [each["temperature"] for each in evaluation.settings["drawing_settings"]] == [1.0, 0.7]


def test_settings_suffice_to_repeat_it(tiny_model: UnifiedModel) -> None:
    settings = run(tiny_model).settings
    assert (settings["mine"], settings["max_new_tokens"], settings["temperature"]) == (3, 3, 1.0)
    assert {"model", "weights_sha256", "device", "attention", "janiform", "torch", "seconds"} < set(settings)
    assert "left_out" not in settings
    first, again = run(tiny_model), run(tiny_model)
    assert (first.items, first.scores) == (again.items, again.scores)


def test_progress_counts_up_to_the_end(tiny_model: UnifiedModel) -> None:
    calls: dict[str, list[tuple[int, int]]] = {}
    given = [draw(0), draw(1, settings={"temperature": 0.5}), ask(0), ask(1, settings={"max_new_tokens": 2}), ask(2)]
    report = lambda what, done, of: calls.setdefault(what, []).append((done, of))  # noqa: E731
    evaluate(Model(tiny_model), Simple(given=given), report)
    assert set(calls) == {"measuring losses", "drawing", "asking", "judging"}
    for steps in calls.values():
        assert steps == sorted(steps)
        assert steps[-1][0] == steps[-1][1]
        assert len({of for _, of in steps}) == 1


def test_the_model_is_left_as_it_was(tiny_model: UnifiedModel) -> None:
    model = copy.deepcopy(tiny_model).train()
    model.part("generation.tokenizer").eval()
    modes = [module.training for module in model.modules()]
    seen: list[tuple[bool, bool]] = []

    class Watches(Simple):
        def judge(self, request: Request, output: Any) -> Mapping[str, float]:
            seen.append((any(module.training for module in model.modules()), torch.is_grad_enabled()))
            return super().judge(request, output)

    state = torch.get_rng_state()
    run(model, Watches())
    assert set(seen) == {(False, False)}
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    for parameter in model.parameters():  # what a forward pass keeps must still serve training
        assert not parameter.is_inference()
    batch = model.processor.collate([model.processor.sequence(Conversation.drawing("a red circle", RED))])
    model.hidden(batch).sum().backward()


def test_pictures_are_written_and_named(tiny_model: UnifiedModel, tmp_path: Path) -> None:
    strange = evolve(draw(5), item="../up\0 and\n/ÄÖ/" + "x" * 300)
    evaluation = run(tiny_model, Simple(given=[draw(0), strange, ask(0)]), pictures=tmp_path / "drawn")
    predictions = [item.prediction for item in evaluation.items if item.metric == "draws.red"]
    assert predictions[0] == "drawn/000000-draw-0.png"
    assert predictions[1].startswith("drawn/000001-up-and-x")
    assert sorted((tmp_path / "drawn").iterdir()) == [tmp_path / name for name in predictions]
    assert provenance_of(tmp_path / predictions[0]).seed == 7


def test_a_judge_that_fails_loses_no_picture(tiny_model: UnifiedModel, tmp_path: Path) -> None:
    def fails(request: Request, output: Any) -> Any:
        raise ConnectionError("the judge is away")

    with pytest.raises(ComponentError, match="failed in judge of 'draw/0': ConnectionError: the judge is away"):
        run(tiny_model, Simple(judge=fails), pictures=tmp_path / "drawn")
    assert len([*(tmp_path / "drawn").iterdir()]) == 3


def test_predictions_are_answers_and_verdicts(tiny_model: UnifiedModel) -> None:
    verdict = lambda request, picture: f"{request.item} at {picture.width}"  # noqa: E731
    evaluation = run(tiny_model, Simple(verdict=verdict))
    answer = Model(tiny_model).ask(RED, "red?", max_new_tokens=3)
    predictions = {item.item: item.prediction for item in evaluation.items if not item.metric.startswith("loss.")}
    assert predictions["draw/1"] == "draw/1 at 16"
    assert predictions["ask/0"] == answer
    assert {item.prediction for item in run(tiny_model).items if item.metric == "draws.red"} == {""}


def test_a_model_serves_what_it_has_pathways_for(
    make_plan: Callable[..., Any], fitted: Callable[[Any], UnifiedModel], tiny_plan: Any
) -> None:
    parts = tiny_plan.recipe.pathways["understanding"].parts
    recipe = evolve(tiny_plan.recipe, pathways={"eyes": Pathway("eyes", "look", parts)})
    from janiform.compose import compose

    model = fitted(compose(recipe))
    judged: list[Request] = []

    class Keeps(Simple):
        def judge(self, request: Request, output: Any) -> Mapping[str, float]:
            judged.append(request)
            return super().judge(request, output)

    benchmark = Keeps()
    evaluation = run(model, benchmark)
    assert list(evaluation.scores) == ["looks.even", "loss.answer"]
    assert evaluation.settings["left_out"] == "3 of 5 requests, since no pathway draws"
    # The benchmark gets its own request back, whose picture was looked at through the pathway that there is.
    assert judged == [benchmark.given[1], benchmark.given[3]]
    with pytest.raises(UsageError, match=r"cannot serve any request .* 1 of 1 requests, since no pathway draws"):
        run(model, Simple(given=[draw(0)]))


def aggregated(**score: Any) -> Callable[..., Any]:
    return lambda items: {"draws.red": Score(**{"value": 0.5, "count": 3, **score})}


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"metrics": {}}, "has no metrics"),
        ({"metrics": {"a": "up"}}, "has the metric 'a' as str, expected a janiform.Metric"),
        ({"metrics": {"loss.mine": Metric()}}, r"'loss\.mine', but names that begin with 'loss\.' belong to"),
        ({"given": []}, "gives no requests"),
        ({"given": ["red?"]}, "gives str as a request"),
        ({"given": [draw(0), draw(0)]}, "gives two requests with the id 'draw/0'"),
        ({"given": [evolve(draw(0), item="")]}, "whose id or cluster is not a text"),
        ({"given": [draw(0, seed=-1)]}, "whose seed is -1, expected a whole number from 0"),
        ({"given": [ask(0, reference=RED)]}, "'ask/0', whose reference is not a text"),
        ({"given": [ask(0, reference=" ")]}, "'ask/0', whose reference is not a text"),
        ({"given": [draw(0, reference="red")]}, "'draw/0', whose reference is not a picture"),
        ({"given": [draw(0, text="  ")]}, "whose conversation does not end with a text, as a prompt"),
        (
            {"given": [evolve(ask(0), conversation=Conversation.asking("red?", RED, answer="yes"))]},
            "whose conversation does not end with the user's turn",
        ),
        ({"given": [ask(0, choices=("a", "a"))]}, "'ask/0', whose choices are not at least two different texts"),
        ({"given": [ask(0, choices=("a", " "))]}, "'ask/0', whose choices are not at least two different texts"),
        ({"given": [evolve(draw(0), choices=("a", "b"))]}, "'draw/0', whose choices are not at least two"),
        ({"judge": lambda request, output: 1.0}, "judges the output of '(draw|ask)/.' by float"),
        ({"judge": lambda request, output: {"draws.rod": 1.0}}, "gives 'draws.rod' in `judge`, which is not one of"),
        ({"judge": lambda request, output: {"draws.red": math.nan}}, "gives 'draws.red' the value nan of 'draw/0'"),
        (
            {"judge": lambda request, output: {"draws.red": None}},
            "the value None of 'draw/0', expected a finite",
        ),
        ({"judge": lambda request, output: 1 / 0}, "failed in judge of 'draw/0': ZeroDivisionError"),
        ({"aggregate": lambda items: []}, "aggregates to list"),
        ({"aggregate": lambda items: {"draws.red": 0.5}}, "aggregates 'draws.red' to float, expected a janiform.Score"),
        ({"aggregate": lambda items: {"other": Score(0.5, 1)}}, "gives 'other' in `aggregate`"),
        ({"aggregate": aggregated(value=math.inf)}, "gives 'draws.red' the value inf as a score"),
        ({"aggregate": aggregated(count=0)}, "gives 'draws.red' the count 0"),
        ({"aggregate": aggregated(low=0.6, high=0.7)}, "the interval from 0.6 to 0.7, which does not contain it"),
        ({"aggregate": aggregated(low=0.4)}, "the interval from 0.4 to None"),
        ({"aggregate": aggregated(low=math.nan, high=0.7)}, "the value nan as a score"),
        ({"settings": {"seed": np.int64(3)}}, "has the setting 'seed' of type int64, which JSON cannot hold"),
        ({"settings": ["seed"]}, "settings that are not a mapping"),
    ],
)
def test_a_benchmark_that_breaks_its_contract_is_named(
    tiny_model: UnifiedModel, members: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ComponentError, match=rf"^the benchmark .*benchmarks_for_tests\.Simple .*{sentence}"):
        run(tiny_model, Simple(**members))


def test_numbers_of_numpy_and_torch_are_values(tiny_model: UnifiedModel) -> None:
    given = iter([np.float32(1), torch.tensor(0.0), True])
    evaluation = run(tiny_model, Simple(given=[draw(0), draw(1), draw(2)], judge=lambda *_: {"draws.red": next(given)}))
    values = [item.value for item in evaluation.items if item.metric == "draws.red"]
    assert values == [1.0, 0.0, 1.0]
    assert {type(value) for value in values} == {float}


def test_scores_at_chance_and_at_the_floor_are_told() -> None:
    assert uninformative(Score(0.55, 100, 0.45, 0.65), Metric(chance=0.5)) == "chance"
    assert uninformative(Score(0.75, 100, 0.65, 0.85), Metric(chance=0.5)) == ""
    assert uninformative(Score(0.0, 20, 0.0, 0.16), Metric()) == "floor"
    assert uninformative(Score(0.1, 20, 0.03, 0.3), Metric()) == ""
    assert uninformative(Score(0.0, 1), Metric()) == "floor"
    assert uninformative(Score(0.0, 20, 0.0, 0.16), Metric("down")) == ""


def test_a_conversation_may_look_more_than_once(tiny_model: UnifiedModel) -> None:
    turns = (Turn("user", (Look(RED), "red?")), Turn("assistant", "yes"), Turn("user", (Look(RED), "and now?")))
    evaluation = run(tiny_model, Simple(given=[evolve(ask(0), conversation=Conversation(turns))]))
    assert list(evaluation.scores) == ["looks.even", "loss.answer"]


def test_choices_are_ranked_and_the_others_asked(tiny_model: UnifiedModel) -> None:
    given = [ask(0, choices=("red", "blue")), ask(1)]
    evaluation = run(tiny_model, Simple(given=given))
    predictions = {item.item: item.prediction for item in evaluation.items if item.metric == "looks.even"}
    assert predictions["ask/0"] in ("red", "blue")
    assert "ask/1" in predictions


class Failing(Simple):
    """Cannot judge some outputs."""

    failing: Sequence[str] = ("ask/0", "draw/2")

    def judge(self, request: Request, output: Any) -> Mapping[str, float]:
        if request.item in self.failing:
            raise TimeoutError(f"no verdict of {request.item}")
        return super().judge(request, output)


def test_a_judge_that_fails_for_some_is_an_error_after_all_were_judged(
    tiny_model: UnifiedModel, tmp_path: Path
) -> None:
    judged: list[int] = []
    progress = lambda what, done, of: judged.append(done) if what == "judging" else None  # noqa: E731
    message = (
        r"failed in judge of 'draw/2': TimeoutError: no verdict of draw/2[\s\S]*"
        r"2 of 5 outputs were not judged: 'draw/2', 'ask/0' \(the outputs are kept in .*store: evaluate again with it"
    )
    with pytest.raises(ComponentError, match=message):
        evaluate(Model(tiny_model), Failing(), progress, store=tmp_path / "store")
    assert judged == [1, 2, 3, 4, 5]


def test_several_outputs_of_a_round_are_judged_at_once(tiny_model: UnifiedModel) -> None:
    barrier = threading.Barrier(3)

    class Waiting(Simple):
        judged_at_once = 3
        given = (*(draw(number) for number in range(3)), *(ask(number) for number in range(6)))

        def judge(self, request: Request, output: Any) -> Mapping[str, float]:
            barrier.wait(20)
            return super().judge(request, output)

    evaluation = run(tiny_model, Waiting())
    assert evaluation.items == run(tiny_model, Simple(given=Waiting.given)).items


def test_failures_that_are_allowed_are_counted(tiny_model: UnifiedModel) -> None:
    evaluation = run(tiny_model, Failing(), allow_failures=True)
    assert evaluation.settings["not_judged"] == 2
    assert evaluation.scores["draws.red"].count == 2
    assert "ask/0" not in {item.item for item in evaluation.items if not item.metric.startswith("loss.")}
    assert evaluation.items[0] == run(tiny_model).items[0]
    with pytest.raises(ComponentError, match="5 of 5 outputs were not judged"):
        run(tiny_model, Failing(failing=[request.item for request in Simple.given]), allow_failures=True)


def test_a_judge_that_recovers_gets_the_stored_outputs(tiny_model: UnifiedModel, tmp_path: Path) -> None:
    benchmark = Failing()
    with pytest.raises(ComponentError):
        run(tiny_model, benchmark, store=tmp_path)
    benchmark.failing = ()
    spy = Spy(tiny_model)
    assert run(spy, benchmark, store=tmp_path).scores == run(tiny_model).scores
    assert not spy.calls


class Lazy(Sequence[Request]):
    """Makes its requests when they are taken from it; remembers how many exist at once."""

    def __init__(self, count: int, *, draws: bool = False) -> None:
        self.count, self.draws = count, draws
        self.alive: dict[int, weakref.ref[Image.Image]] = {}
        self.most = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.count:
            raise IndexError(index)
        picture = Image.new("RGB", (8, 8), (index % 256, index // 256, 0))
        number = id(picture)
        self.alive[number] = weakref.ref(picture, lambda _: self.alive.pop(number))
        self.most = max(self.most, len(self.alive))
        if self.draws:
            return Request(f"{index}", f"{index}", Conversation((Turn("user", "red"),)), True, 0, picture)
        return Request(f"{index}", f"{index // 2}", Conversation.asking("red?", picture))


class Instant(Spy):
    """A model that answers and draws at once."""

    def reply_all(self, conversations: Any, **settings: Any) -> list[str]:  # type: ignore[override]
        return ["yes"] * len(conversations)

    def generate(self, prompt: Any, n: int = 1, **settings: Any) -> list[Image.Image]:  # type: ignore[override]
        made = [Image.new("RGB", (8, 8)) for _ in prompt]
        self.calls += [("drawn", weakref.ref(picture), {}) for picture in made]
        return made


def test_ten_thousand_items_take_the_memory_of_a_few_rounds(
    tiny_model: UnifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Lazy(10_000)
    evaluation = run(Instant(tiny_model), Simple(given=given))
    assert evaluation.scores["looks.even"].count == 10_000
    assert given.most < 300
    monkeypatch.setattr("janiform.evaluate.steps.held_out_losses", lambda *_: [])
    monkeypatch.setattr("janiform.evaluate.steps.EvaluationSteps.losses", lambda _: [])
    drawn, model = Lazy(500, draws=True), Instant(tiny_model)
    most = []

    class Counts(Simple):
        def judge(self, request: Request, output: Any) -> Mapping[str, float]:
            most.append(sum(picture() is not None for _, picture, _ in model.calls))
            return super().judge(request, output)

    run(model, Counts(given=drawn))
    assert max(most) <= 128
    assert drawn.most < 300


def test_a_benchmark_whose_requests_change_is_named(tiny_model: UnifiedModel) -> None:
    class Changes(Lazy):
        passes = 0

        def __getitem__(self, index: Any) -> Any:
            self.passes += index == 0
            return evolve(super().__getitem__(index), item=f"{index} {self.passes}")

    with pytest.raises(ComponentError, match=r"the benchmark's requests change: number 0 was '0 2' and is '0 3' now"):
        run(tiny_model, Simple(given=Changes(4)))


def test_questions_about_one_picture_are_answered_together(tiny_model: UnifiedModel) -> None:
    spy = Spy(tiny_model)
    evaluation = run(spy, Simple(given=many()))
    asked = next(conversations for name, conversations, _ in spy.calls if name == "ask")
    pictures = [conversation.turns[0].content[0].picture for conversation in asked]
    assert len({id(picture) for picture in pictures}) == 4  # each was transformed once
    answers = {item.item: item.prediction for item in evaluation.items if item.metric == "looks.even"}
    alone = [request for request in many() if not request.draws]
    expected = Model(tiny_model).reply_all([request.conversation for request in alone], max_new_tokens=3)
    assert answers == {request.item: answer for request, answer in zip(alone, expected, strict=True)}
    assert list(answers) == [request.item for request in alone]
    assert tiny_model.features is None


def test_rounds_hold_whole_clusters_sorted_by_length(tiny_model: UnifiedModel) -> None:
    lengths = [9, 1, 5, 5, 3, 8, 2, 7]
    given = [evolve(ask(number, "x" * length), cluster=f"{number // 2}") for number, length in enumerate(lengths)]
    served = ServedRequests(Model(tiny_model), given)
    rounds = [[int(entry.item[4:]) for entry in part.entries] for part in served.rounds(1)]
    assert rounds == [[2, 3, 6, 7, 4, 5, 1, 0]]
    rounds = [[int(entry.item[4:]) for entry in part.entries] for part in served.rounds(3)]
    assert rounds == [[2, 3], [6, 7], [4, 5], [1, 0]]
    one = ServedRequests(Model(tiny_model), [evolve(request, cluster="one") for request in given])
    assert [len(part.entries) for part in one.rounds(3)] == [3, 3, 2]
