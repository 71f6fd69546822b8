"""Broken objectives, samplers, layouts, sinks, benchmarks and formats: each check catches what it is for."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from attrs import evolve, frozen
from janiform import (
    Conversation,
    Grid,
    JaniformError,
    Loss,
    Metric,
    Request,
    Sequence,
    Showcase,
    Tiles,
    Turn,
    mean_score,
)
from janiform.testing import benchmarks, formats, layouts, objectives, samplers, sinks, texts, tilings
from janiform.testing.case import Case
from janiform.testing.suite import CHECKS, run_check
from janiform_plugins.formats.config import JaniformConfig
from janiform_plugins.formats.janiform import JaniformFormat
from janiform_plugins.layouts.config import JanusConfig
from janiform_plugins.layouts.janus import JanusLayout
from janiform_plugins.objectives.autoregressive import Autoregressive
from janiform_plugins.objectives.config import AutoregressiveConfig
from janiform_plugins.samplers.autoregressive import AutoregressiveSampler
from janiform_plugins.samplers.config import AutoregressiveConfig as SamplerConfig
from janiform_plugins.text.bpe import BpeTokenizer
from janiform_plugins.text.config import BpeConfig
from janiform_plugins.tilings.config import GridConfig
from janiform_plugins.tilings.grid import GridTiling
from PIL import Image


class DrawsGlobally(Autoregressive):
    def prepare_one(self, example, generator, note=None):
        random.random()
        return super().prepare_one(example, generator, note)


class CountsItsCalls(Autoregressive):
    calls = 0

    def collate(self, prepared, generator=None):
        CountsItsCalls.calls += 1
        batch = super().collate(prepared, generator)
        return evolve(batch, ids=batch.ids + CountsItsCalls.calls)


class GivesMeans(Autoregressive):
    def losses(self, batch):
        losses, figures = super().losses(batch)
        return {name: loss.mean for name, loss in losses.items()}, figures


class AnnouncesOthers(Autoregressive):
    def counts(self, batch):
        return {name: count + 1 for name, count in super().counts(batch).items()}


class AveragesTotals(Autoregressive):
    def losses(self, batch):
        losses, figures = super().losses(batch)
        return {name: Loss(loss.mean, loss.count) for name, loss in losses.items()}, figures


class Detaches(Autoregressive):
    def losses(self, batch):
        losses, figures = super().losses(batch)
        return {name: Loss(loss.total.detach(), loss.count) for name, loss in losses.items()}, figures


class CountsItsSteps(Autoregressive):
    steps = 0

    def losses(self, batch):
        self.steps += 1
        losses, figures = super().losses(batch)
        return {name: Loss(loss.total * self.steps, loss.count) for name, loss in losses.items()}, figures


class DrawsInItsLosses(Autoregressive):
    def losses(self, batch):
        losses, figures = super().losses(batch)
        return {name: Loss(loss.total * random.random(), loss.count) for name, loss in losses.items()}, figures


class GivesTotalsByRow(Autoregressive):
    def losses(self, batch):
        losses, figures = super().losses(batch)
        return {name: Loss(loss.total.expand(2), loss.count) for name, loss in losses.items()}, figures


class ShowsText(Autoregressive):
    def samples(self, examples):
        return "a picture"


class DrawsCodesInTheMiddle(AutoregressiveSampler):
    def draw(self, *arguments, **others):
        return super().draw(*arguments, **others) + 1


class DrawsFloats(AutoregressiveSampler):
    def draw(self, *arguments, **others):
        return super().draw(*arguments, **others).float()


class SeedsByRow(AutoregressiveSampler):
    def draw(self, model, prompts, *, seeds=None, **others):
        return super().draw(model, prompts, seeds=list(range(len(prompts))), **others)


class SaysNothing(AutoregressiveSampler):
    def draw(self, model, prompts, *, on_step=None, on_codes=None, **others):
        return super().draw(model, prompts, **others)


class AcceptsAll(AutoregressiveSampler):
    def draw(self, model, prompts, *, no_such_setting=0, **others):
        return super().draw(model, prompts, **others)


class TakesNoOverrides(AutoregressiveSampler):
    def draw(self, model, prompts, *, pathway="generation", seeds=None, on_step=None, on_codes=None):
        return super().draw(model, prompts, pathway=pathway, seeds=seeds, on_step=on_step, on_codes=on_codes)


class DrawsArrays(AutoregressiveSampler):
    def draw(self, *arguments, **others):
        return super().draw(*arguments, **others).numpy()


class ChangesTheModel(AutoregressiveSampler):
    def draw(self, model, *arguments, **others):
        for module in list(model.modules())[-1:]:
            module.training = not module.training
        return super().draw(model, *arguments, **others)


class LosesAPicture(JanusLayout):
    def render(self, conversation, *, answer=True):
        sequence = super().render(conversation, answer=answer)
        spans = [span for span in sequence.spans if span.kind == "text"]
        return Sequence(spans)


class LearnsQuestions(JanusLayout):
    def render(self, conversation, *, answer=True):
        sequence = super().render(conversation, answer=answer)
        return Sequence(evolve(span, loss=answer) for span in sequence.spans)


class LosesTheSystem(JanusLayout):
    def render(self, conversation, *, answer=True):
        return super().render(evolve(conversation, system=None), answer=answer)


class NeverEnds(JanusLayout):
    @property
    def stop_ids(self):
        return ()


class AsksInAnotherWay(JanusLayout):
    def render(self, conversation, *, answer=True):
        if not answer and not conversation.draws:
            conversation = evolve(conversation, system="Answer!")
        return super().render(conversation, answer=answer)


class DrawsInAnotherWay(JanusLayout):
    def drawing_prompt(self, prompt, pathway="generation"):
        return super().drawing_prompt(f"{prompt}!", pathway)


class ForgetsItsSources(JanusLayout):
    draws_from = ("understanding",)

    def drawing_prompt(self, prompt, pathway="generation"):
        return super().drawing_prompt(prompt if isinstance(prompt, str) else prompt.turns[-1].text, pathway)


class BlanksNothing(JanusLayout):
    def unconditional(self, sequence):
        return sequence


@frozen
class SinkConfig:
    pass


class Sink:
    def __init__(self, config: Any, folder: Path, recipe: Any) -> None:
        self.file = folder / "sink.txt"

    def entry(self, entry):
        with self.file.open("a") as file:
            file.write(str(entry.get("losses")))

    def samples(self, samples, stage, total): ...

    def close(self): ...


class NeedsAPicture(Sink):
    def samples(self, samples, stage, total):
        samples.picture.convert("L")


class CannotResume(Sink):
    def __init__(self, config, folder, recipe):
        super().__init__(config, folder, recipe)
        self.file.touch(exist_ok=False)


class KnowsAllKeys(Sink):
    def entry(self, entry):
        float(sum(value for key, value in entry.items() if key not in sinks.entry(1)))


class NeedsANorm(Sink):
    def entry(self, entry):
        float(entry["grad_norm"])


class Insists(Sink):
    def entry(self, entry):
        assert entry["step"] > 3, "too early"


class PaintsOverThePicture(Sink):
    def samples(self, samples, stage, total):
        if samples.picture:
            samples.picture.paste(0, (0, 0, 4, 4))


class PopsAKey(Sink):
    def entry(self, entry):
        entry.pop("losses")


@frozen
class BenchmarkConfig:
    pass


class Benchmark:
    metrics: ClassVar[Any] = {"drawing.red": Metric(), "answers.yes": Metric(chance=0.5)}

    def __init__(self, config: Any) -> None: ...

    def requests(self):
        question = Conversation.asking("is it red?", Image.new("RGB", (9, 9), "red"))
        drawing = Conversation((Turn("user", "a red circle"),))
        return [Request("ask", "ask", question, reference="yes"), Request("draw", "draw", drawing, draws=True)]

    def judge(self, request, output):
        if isinstance(output, str):
            return {"answers.yes": float(output == request.reference)}
        return {"drawing.red": float(output.getpixel((0, 0))[0] > 100)}

    def aggregate(self, items):
        return {item.metric: mean_score([item]) for item in items}

    def show(self, model, drawings, answers, progress):
        return Showcase()


class MisnamesAMetric(Benchmark):
    def judge(self, request, output):
        return {"answer.yes": 1.0}


class ForgetsAMetric(Benchmark):
    def aggregate(self, items):
        return {item.metric: mean_score([item]) for item in items if item.item == "ask"}


class HoldsATensor(Benchmark):
    settings: ClassVar[Any] = {"seed": torch.tensor(1)}


class AsksAtRandom(Benchmark):
    def requests(self):
        asked, drawing = super().requests()
        return [evolve(asked, seed=random.randrange(2**60)), drawing]


class JudgesAtRandom(Benchmark):
    def judge(self, request, output):
        return {name: random.random() for name in super().judge(request, output)}


class WantsWords(Benchmark):
    def judge(self, request, output):
        if isinstance(output, str):
            return {"answers.yes": float(output.split()[0] == "yes")}
        return super().judge(request, output)


class WantsAll(Benchmark):
    def aggregate(self, items):
        by_metric = {item.metric: item for item in items}
        return {name: mean_score([by_metric[name]]) for name in self.metrics}


class ShowsATuple(Benchmark):
    def show(self, model, drawings, answers, progress):
        return (), ()


class RecognisesAll(JaniformConfig):
    def recognises(self, folder):
        return True


class RaisesForFiles(JaniformConfig):
    def recognises(self, folder):
        return any(folder.iterdir())


class ForgetsAPart(JaniformFormat):
    def keys(self, plan):
        return {path: keys for path, keys in super().keys(plan).items() if path != "backbone"}


class KnowsNoShards(JaniformFormat):
    def write(self, model, folder):
        super().write(model, folder)


class ReadsNoRecipe(JaniformFormat):
    def recipe(self, folder):
        return None


class ReadsAnotherRecipe(JaniformFormat):
    def recipe(self, folder):
        recipe = super().recipe(folder)
        layout = evolve(recipe.layout, config=evolve(recipe.layout.config, system="Another."))
        return evolve(recipe, layout=layout)


class ReadsCarelessly(JaniformFormat):
    def recipe(self, folder):
        try:
            return super().recipe(folder)
        except JaniformError:
            raise KeyError("recipe") from None


class CutsTooOften(GridTiling):
    def cut(self, picture, size, background):
        tiles = super().cut(picture, size, background)
        return Tiles((*tiles.lines, *tiles.lines, *tiles.lines))


class CutsSmaller(GridTiling):
    def cut(self, picture, size, background):
        return super().cut(picture, Grid(size.height - 1, size.width), background)


class NeedsPictures(GridTiling):
    def cut(self, picture, size, background):
        return super().cut(picture if isinstance(picture, Image.Image) else picture[::-1], size, background)


class HoldsALambda(GridTiling):
    def __init__(self, config):
        super().__init__(config)
        self.scale = lambda size: size


class LosesCapitals(BpeTokenizer):
    def decode(self, ids):
        return super().decode(ids).replace("circle", "square")


class LeavesItsVocabulary(BpeTokenizer):
    def encode(self, text):
        return [*super().encode(text), 99_999]


class KnowsEveryToken(BpeTokenizer):
    def id_of(self, token):
        return 0


class SavesNothing(BpeTokenizer):
    def save(self, folder): ...


SOUND = {
    "tiling": (GridTiling, GridConfig),
    "text": (BpeTokenizer, lambda: BpeConfig(vocabulary=320)),
    "objective": (Autoregressive, AutoregressiveConfig),
    "sampler": (AutoregressiveSampler, SamplerConfig),
    "layout": (JanusLayout, JanusConfig),
    "sink": (Sink, SinkConfig),
    "benchmark": (Benchmark, BenchmarkConfig),
    "format": (JaniformFormat, JaniformConfig),
}


def case(kind: str, factory: Any = None, config: Any = None) -> Case:
    factory, config = factory or SOUND[kind][0], config or SOUND[kind][1]
    made = config()
    component = SimpleNamespace(kind=kind, name="beast", config=type(made), load=lambda: factory, reference="beast@1",
                                provider="the zoo")  # fmt: skip
    return Case(component, made, {}, 3)  # type: ignore[arg-type]


ZOO = [
    ("tiling", CutsTooOften, tilings.cuts_tiles_of_the_size, "tiles, but `most` is 5"),
    ("tiling", CutsSmaller, tilings.cuts_tiles_of_the_size, r"neither the picture itself nor of the size \(16, 16\)"),
    ("tiling", NeedsPictures, tilings.cuts_arrays_as_pictures, "cuts an array into other tiles than the same picture"),
    ("tiling", HoldsALambda, tilings.cuts_alike_in_another_process, "Can't pickle|Can't get local object"),
    ("text", LosesCapitals, texts.keeps_texts, "decodes 'a red square above .*' where 'a red circle"),
    ("text", LeavesItsVocabulary, texts.keeps_texts, "with ids outside of its vocabulary of 320"),
    ("text", KnowsEveryToken, texts.refuses_unknown_tokens, "`id_of` gives 0 for a token that it does not have"),
    ("text", SavesNothing, texts.reads_what_it_saved, "does not find in a folder what `save` wrote there"),
    ("objective", DrawsGlobally, objectives.prepares_equal_batches, "draws from a global random generator"),
    ("objective", CountsItsCalls, objectives.prepares_equal_batches, "prepares another batch from the same samples"),
    ("objective", GivesMeans, objectives.gives_sums_with_counts, "is Tensor, not a janiform.Loss"),
    ("objective", AnnouncesOthers, objectives.gives_sums_with_counts, "announces the counts .*, but its losses count"),
    ("objective", AveragesTotals, objectives.adds_up_over_micro_batches, "sum over samples, or set divisible = False"),
    (
        "objective",
        GivesTotalsByRow,
        objectives.gives_sums_with_counts,
        r"total of the loss .* is \[2\], expected a scalar",
    ),
    ("objective", CountsItsSteps, objectives.adds_up_over_micro_batches, "gives other losses for the same samples"),
    ("objective", DrawsInItsLosses, objectives.adds_up_over_micro_batches, "`losses` draws from Python's `random`"),
    ("objective", Detaches, objectives.gives_finite_gradients, "its losses have no gradient"),
    ("objective", ShowsText, objectives.shows_samples, "`samples` gives str, not janiform.Samples"),
    ("sampler", DrawsCodesInTheMiddle, samplers.draws_codes_of_the_pathway, "drew codes .* 32, but the vocabulary has"),
    (
        "sampler",
        DrawsFloats,
        samplers.draws_codes_of_the_pathway,
        "`draw` gave Tensor, torch.float32 .* expected a tensor, int64",
    ),
    ("sampler", SeedsByRow, samplers.draws_the_same_for_a_seed, "draws other codes for a prompt alone"),
    ("sampler", SaysNothing, samplers.reports_its_progress, "never calls `on_step`"),
    ("sampler", AcceptsAll, samplers.refuses_unknown_overrides, "accepts an override 'no_such_setting'"),
    ("sampler", TakesNoOverrides, samplers.refuses_unknown_overrides, "raises TypeError for an unknown setting"),
    ("sampler", DrawsArrays, samplers.draws_codes_of_the_pathway, "`draw` gave ndarray, .* expected a tensor, int64"),
    ("sampler", ChangesTheModel, samplers.leaves_the_model_as_it_is, "leaves modules of the model in another mode"),
    ("layout", LosesAPicture, layouts.renders_every_picture, r"renders \[\] for pictures \[\('draw', 'generation'\)\]"),
    ("layout", LearnsQuestions, layouts.learns_answers_alone, "the user's text has a loss"),
    ("layout", LosesTheSystem, layouts.learns_answers_alone, "does not render the system prompt"),
    ("layout", NeverEnds, layouts.learns_answers_alone, "has no stop id, so an answer never ends"),
    ("layout", AsksInAnotherWay, layouts.prompts_as_it_trains, r"`render\(answer=False\)` is not the beginning"),
    ("layout", DrawsInAnotherWay, layouts.prompts_as_it_trains, "`drawing_prompt` is not the beginning"),
    (
        "layout",
        ForgetsItsSources,
        layouts.draws_from_pictures_as_it_trains,
        "`drawing_prompt` of a conversation is not the beginning of what is trained on",
    ),
    ("layout", BlanksNothing, layouts.blanks_its_prompts, "`unconditional` still depends on the words"),
    ("sink", NeedsAPicture, sinks.takes_what_a_run_logs, "AttributeError: 'NoneType' object has no attribute"),
    ("sink", CannotResume, sinks.takes_what_a_run_logs, "failed: FileExistsError"),
    ("sink", KnowsAllKeys, sinks.ignores_keys_that_it_does_not_know, "TypeError: unsupported operand"),
    ("sink", NeedsANorm, sinks.ignores_keys_that_it_does_not_know, r"TypeError: float\(\) argument"),
    (
        "sink",
        Insists,
        sinks.takes_what_a_run_logs,
        r"AssertionError: too early(?s:.*)\(.*test_whole_model_kinds.py:\d+\)",
    ),
    ("sink", PaintsOverThePicture, sinks.leaves_an_entry_as_it_is, "changes the picture of the samples"),
    ("sink", PopsAKey, sinks.leaves_an_entry_as_it_is, "changes the entry that it is given; copy it first"),
    ("benchmark", MisnamesAMetric, benchmarks.scores_every_metric, "gives 'answer.yes' in `judge`, which is not one"),
    ("benchmark", ForgetsAMetric, benchmarks.scores_every_metric, "`aggregate` gives no score of drawing.red"),
    ("benchmark", HoldsATensor, benchmarks.scores_every_metric, "'seed' of type Tensor, which JSON cannot hold"),
    ("benchmark", AsksAtRandom, benchmarks.repeats_its_requests, "`requests` gives other requests when it is called"),
    ("benchmark", JudgesAtRandom, benchmarks.repeats_its_scores, "judges or aggregates otherwise when it is run again"),
    ("benchmark", WantsWords, benchmarks.judges_any_output, "cannot judge '': the benchmark .* IndexError"),
    ("benchmark", WantsAll, benchmarks.aggregates_a_part, "cannot aggregate the items of .* alone: .*KeyError"),
    ("benchmark", ShowsATuple, benchmarks.shows_examples, "`show` gives tuple, not a Showcase"),
    ("format", ForgetsAPart, formats.names_every_tensor, "`keys` has no names for the tensors of backbone"),
    ("format", KnowsNoShards, formats.reads_what_it_wrote, "TypeError: KnowsNoShards.write"),
    ("format", ReadsNoRecipe, formats.reads_what_it_wrote, "`recipe` gives NoneType, not a Recipe"),
    ("format", ReadsAnotherRecipe, formats.reads_what_it_wrote, "the recipe that it reads has other parts"),
]


@pytest.mark.parametrize(
    ("kind", "beast", "check", "sentence"), ZOO, ids=lambda value: getattr(value, "__name__", None)
)
def test_each_check_catches_what_it_is_for(kind: str, beast: Any, check: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=rf"^{kind} 'beast'.*(?:{sentence})"):
        run_check(check, case(kind, beast))


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (RecognisesAll, r"recognises what is not its directory \('empty'\)"),
        (RaisesForFiles, "`recognises` raises NotADirectoryError|recognises what is not its directory"),
    ],
)
def test_what_a_format_recognises_is_checked(config: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        run_check(formats.recognises_its_own_directories_only, case("format", config=config))


def reading(paths: Any) -> type:
    """A config of `autoregressive` that declares what it reads."""

    @frozen(kw_only=True)
    class Config(AutoregressiveConfig):
        def reads(self, plan: Any) -> Any:
            return paths

    return Config


EVERYTHING = ("backbone", "text", "understanding.encoder", "understanding.adapter", "generation.tokenizer",
              "generation.embedding", "generation.adapter", "generation.head")  # fmt: skip


@pytest.mark.parametrize(
    ("paths", "sentence"),
    [
        (["backbone"], r"`reads` gives \['backbone'\], not a tuple of paths"),
        (("backbone", "generation.hed"), r"`reads` gives .*'generation\.hed'\), not a tuple of paths"),
        (
            EVERYTHING[:-1],
            "gives backbone, .*, but the loss 'generation' depends on the weights of another part",
        ),
        (EVERYTHING[1:], "the loss '(understanding|text|generation)' depends on the weights of another part"),
    ],
)
def test_what_an_objective_reads_is_checked(paths: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        run_check(objectives.reads_what_it_declares, case("objective", config=reading(paths)))


def test_an_objective_may_read_everything() -> None:
    run_check(objectives.reads_what_it_declares, case("objective", config=reading(EVERYTHING)))


def test_a_damaged_directory_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    beast = case("format", ReadsCarelessly)
    monkeypatch.setattr(formats, "open_model", lambda folder: ReadsCarelessly(JaniformConfig()).recipe(folder))
    with pytest.raises(AssertionError, match=r"raises KeyError where recipe\.toml is cut off"):
        run_check(formats.explains_a_damaged_directory, beast)


@pytest.mark.parametrize("kind", SOUND)
def test_sound_components_pass_every_check(kind: str) -> None:
    for check in CHECKS[kind]:
        run_check(check, case(kind))


def test_every_check_has_its_beast() -> None:
    elsewhere = {
        "keeps_its_config_through_a_recipe",
        "recognises_its_own_directories_only",
        "explains_a_damaged_directory",
        "reads_what_it_declares",
        "corrupts_pictures_for_training",  # in test_zoo_wholes.py and test_zoo_masked.py
        "draws_whole_scales",  # in test_zoo_scales.py
    }
    tested = {check.__name__ for _, _, check, _ in ZOO} | elsewhere
    assert tested == {check.__name__ for kind in SOUND for check in CHECKS[kind]}
