"""Held-out losses: the probabilities of every token and code, looked up one position at a time in float64."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from janiform import (
    Conversation,
    Item,
    JaniformError,
    Look,
    Model,
    PictureError,
    Request,
    Turn,
    UnifiedModel,
    UsageError,
    collate,
    registry,
)
from janiform.evaluate.losses import held_out_losses, most_likely
from janiform.recipe import Pathway, Use
from janiform_plugins.objectives.next_token import next_token_losses
from PIL import Image
from torch.nn.functional import log_softmax

WORDS = ["a", "red", "circle", "is", "above", "the", "small", "blue", "square"]


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (20, 17, 3), dtype=np.uint8)


def requests(seed: int, count: int = 5) -> list[Request]:
    """Drawings and questions in turn, with prompts and answers of several lengths."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        words = " ".join(chance.choices(WORDS, k=chance.randint(1, 7)))
        prompt = Conversation((Turn("user", words),))
        made.append(Request(f"draw/{number}", f"draw/{number}", prompt, draws=True, reference=picture(number)))
        question = Conversation.asking(words + "?", picture(50 + number))
        answer = " ".join(chance.choices(WORDS, k=chance.randint(1, 4)))
        made.append(Request(f"ask/{number}", f"ask/{number}", question, reference=answer))
    return made


def losses(model: UnifiedModel, asked: list[Request]) -> dict[str, float]:
    given = held_out_losses(Model(model), asked, lambda done, of: None)
    assert {item.metric for item in given} <= {"loss.picture", "loss.answer"}
    return {item.item: item.value for item in given}


@pytest.fixture(scope="module")
def deep(make_plan: Callable[..., Any], fitted: Callable[[Any], UnifiedModel]) -> UnifiedModel:
    """A model that draws codes of three levels, through a head with a transformer over them."""

    def use(kind: str, name: str, **config: Any) -> Use:
        component = registry().find(kind, name)
        return Use(kind, component, component.config(**config))

    tokenizer = {"image_size": 16, "channels": 8, "groups": 4, "multipliers": (1, 1, 2), "blocks": 1, "latent": 8,
                 "code_width": 4, "vocabulary": 9, "depth": 3}  # fmt: skip
    parts = {
        "tokenizer": use("tokenizer", "rvq", **tokenizer),
        "embedding": use("embedding", "table"),
        "adapter": use("adapter", "mlp"),
        "head": use("head", "depth", width=16, layers=1, heads=2),
        "sampler": use("sampler", "autoregressive"),
    }
    return fitted(make_plan({"generation": Pathway("generation", "draw", parts)}))


def one_by_one(model: UnifiedModel, request: Request) -> float:
    """The loss by a prefix for every position, in float64; of a code, by the logits that ``sample`` chooses from."""
    model = copy.deepcopy(model).double()
    processor, turns = model.processor, request.conversation.turns
    if request.draws:
        sequence = processor.sequence(Conversation.drawing(turns[0].text, request.reference))  # type: ignore[arg-type]
        start = len(processor.drawing_prompt(turns[0].text))
    else:
        answer = Turn("assistant", request.reference)  # type: ignore[arg-type]
        sequence = processor.sequence(Conversation((*turns, answer)))
        start = len(processor.sequence(request.conversation, answer=False))
    batch = collate([sequence])
    total = 0.0
    if not request.draws:
        for position in range(start, len(sequence)):
            ids = batch.ids.clone()
            ids[0, position:] = 0  # as codes are below
            state = model.hidden(evolve(batch, ids=ids))[0, position - 1]
            backbone: Any = model.part("backbone")
            total -= float(log_softmax(backbone.logits(state), -1)[sequence.ids[position]])
        assert sequence.ids[-1] in processor.layout.stop_ids
        return total
    codes = model.drawn(batch.pictures["generation"], "generation")
    head: Any = model.part("generation.head")
    for number, code in enumerate(codes[0]):
        # Codes from this one on are replaced, so that a loss which sees them would differ.
        hidden = codes.clone()
        hidden[0, number:] = 0
        state = model.hidden(batch, drawn={"generation": hidden})[0, start + number - 1]
        seen: list[float] = []

        def choose(logits: torch.Tensor, level: int, code: torch.Tensor = code, seen: list[float] = seen) -> Any:
            seen.append(float(log_softmax(logits[0], -1)[code[level]]))
            return code[level : level + 1]

        if len(code) == 1:
            choose(head(state[None]), 0)
        else:
            head.sample(state[None], choose)
        assert len(seen) == len(code)
        total -= sum(seen)
    return total


@torch.no_grad()
@pytest.mark.parametrize("name", ["tiny_model", "deep"])
@pytest.mark.parametrize("seed", [11, 12])
def test_a_loss_is_that_of_every_position_alone(name: str, seed: int, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    asked = requests(seed, 3)
    given = losses(model, asked)
    for each in asked:
        assert given[each.item] == pytest.approx(one_by_one(model, each), rel=2e-4), each


@torch.no_grad()
def test_it_is_the_training_objectives_loss_as_a_sum(deep: UnifiedModel) -> None:
    for each in requests(13, 3):
        answer = each.reference if isinstance(each.reference, str) else None
        words = each.conversation.turns[0].content
        sample = (
            Conversation.drawing(each.conversation.turns[0].text, each.reference)  # type: ignore[arg-type]
            if each.draws
            else Conversation((Turn("user", words), Turn("assistant", answer or "")))
        )
        loss = next_token_losses(deep, collate([deep.processor.sequence(sample)]))
        total = loss["generation" if each.draws else "understanding"].total
        assert losses(deep, [each])[each.item] == pytest.approx(float(total), rel=1e-5)


def test_a_batch_changes_nothing_and_repeats_are_equal(tiny_model: UnifiedModel) -> None:
    asked = requests(4, 20)
    together = losses(tiny_model, asked)
    assert together == losses(tiny_model, asked)
    for each in asked[:6]:
        assert losses(tiny_model, [each])[each.item] == pytest.approx(together[each.item], rel=1e-4)


@torch.no_grad()
def test_only_the_last_answer_counts(tiny_model: UnifiedModel) -> None:
    question = Turn("user", "red?")
    short = Conversation((question,))
    long = Conversation((Turn("user", (Look(picture(1)), "blue?")), Turn("assistant", "a small square"), question))
    given = losses(tiny_model, [Request("s", "s", short, reference="yes"), Request("l", "l", long, reference="yes")])
    assert one_by_one(tiny_model, Request("l", "l", long, reference="yes")) == pytest.approx(given["l"], rel=2e-4)
    assert given["s"] != given["l"]


def test_requests_without_a_reference_have_none(tiny_model: UnifiedModel) -> None:
    steps: list[tuple[int, int]] = []
    asked = [*requests(1, 2), Request("open", "open", Conversation((Turn("user", "why?"),)))]
    given: list[Item] = held_out_losses(Model(tiny_model), asked, lambda done, of: steps.append((done, of)))
    assert [item.item for item in given] == ["draw/0", "draw/1", "ask/0", "ask/1"]
    assert steps == [(2, 4), (4, 4)]


def test_a_reference_that_does_not_fit_is_named(tiny_model: UnifiedModel) -> None:
    long = Request("mine", "mine", Conversation((Turn("user", "red?"),)), reference="circle " * 400)
    with pytest.raises(UsageError, match=r"'mine' has \d+ positions with its reference; the model's context is 256"):
        losses(tiny_model, [long])


@torch.no_grad()
def test_a_reference_may_be_a_picture_pixels_or_codes(tiny_model: UnifiedModel) -> None:
    prompt = Conversation((Turn("user", "a red circle"),))
    array = picture(3)
    pixels = tiny_model.processor.pixels(array, "generation")
    tokenizer: Any = tiny_model.part("generation.tokenizer")
    forms = [array, Image.fromarray(array), pixels]
    given = [losses(tiny_model, [Request("a", "a", prompt, draws=True, reference=form)])["a"] for form in forms]
    codes = tokenizer.encode(pixels[None])[0]
    given.append(losses(tiny_model, [Request("a", "a", prompt, draws=True, reference=codes)])["a"])
    assert given == pytest.approx([given[0]] * 4, rel=1e-6)
    with pytest.raises(PictureError, match="the reference of 'a' cannot be used"):
        losses(tiny_model, [Request("a", "a", prompt, draws=True, reference=np.zeros((3, 3, 7), np.uint8))])


def test_a_model_that_diverged_is_reported(tiny_model: UnifiedModel) -> None:
    model = copy.deepcopy(tiny_model)
    with torch.no_grad():
        next(model.part("backbone").parameters()).fill_(torch.nan)
    with pytest.raises(JaniformError, match=r"loss\.picture of 'draw/0' is nan: the model has diverged"):
        losses(model, requests(0, 1))


def test_the_most_likely_choice_is_that_with_the_smallest_loss(tiny_model: UnifiedModel) -> None:
    steps: list[tuple[int, int]] = []
    words = ["a red circle", "the small blue square", "a", "square above"]
    asked = [evolve(each, choices=words) for each in requests(21, 6) if not each.draws]
    chosen = most_likely(Model(tiny_model), asked, lambda done, of: steps.append((done, of)))
    for each, choice in zip(asked, chosen, strict=True):
        alone = {word: losses(tiny_model, [evolve(each, reference=word)])[each.item] for word in words}
        assert choice == min(words, key=alone.__getitem__)
    assert steps[-1] == (6, 6)
    assert chosen == most_likely(
        Model(tiny_model), [evolve(each, choices=words[::-1]) for each in asked], lambda done, of: None
    )
    model = copy.deepcopy(tiny_model)
    with torch.no_grad():
        next(model.part("backbone").parameters()).fill_(torch.nan)
    with pytest.raises(JaniformError, match=r"losses of the choices of 'ask/0' are .*nan.*: the model has diverged"):
        most_likely(Model(model), asked, lambda done, of: None)


def test_choices_may_be_ranked_by_their_loss_per_token(tiny_model: UnifiedModel) -> None:
    """Long choices lose by the sum, which a mean corrects."""
    words = ["a red circle above the small blue square", "a", "square"]
    asked = [evolve(each, choices=words) for each in requests(21, 6) if not each.draws]
    processor = tiny_model.processor

    def mean(each: Request, word: str) -> float:
        prompt = processor.sequence(each.conversation, answer=False)
        turns = (*each.conversation.turns, Turn("assistant", word))
        whole = processor.sequence(evolve(each.conversation, turns=turns))
        return losses(tiny_model, [evolve(each, reference=word)])[each.item] / (len(whole) - len(prompt))

    by_mean = [evolve(each, choice_loss="mean") for each in asked]
    chosen = most_likely(Model(tiny_model), by_mean, lambda done, of: None)
    assert chosen == [min(words, key=lambda word, each=each: mean(each, word)) for each in asked]  # type: ignore[misc]
    assert chosen != most_likely(Model(tiny_model), asked, lambda done, of: None)
    with pytest.raises(ValueError, match="choice_loss"):
        evolve(asked[0], choice_loss="median")  # type: ignore[arg-type]
