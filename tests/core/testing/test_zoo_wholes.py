"""A zoo of broken parts of whole pictures: each check catches what it is for, and says so in a sentence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from attrs import evolve, frozen
from janiform import Corruption, Features, Grid, Hidden, Latents, Loss, PortMismatch, UsageError, Values, registry
from janiform.testing import common, kinds, samplers, wholes
from janiform.testing.case import Case
from janiform.testing.small_model import small_model
from janiform.testing.suite import run_check
from janiform_plugins.samplers.flow.config import FlowConfig
from janiform_plugins.samplers.flow.process import FlowProcess
from janiform_plugins.samplers.flow.sampler import FlowSampler
from torch import nn

LATENTS = Latents(Grid(2, 3), 4)
HIDDEN = Hidden(8, 64, 128, 2, 2, 8)


@frozen(kw_only=True)
class Embeds:
    hides = True

    def embed(self, drawn: Any, hidden: Hidden) -> Features:
        return Features(drawn.tokens + 1, hidden.width, None, 1)


@frozen(kw_only=True)
class HasNoLead(Embeds):
    def embed(self, drawn: Any, hidden: Hidden) -> Features:
        return Features(drawn.tokens + 1, hidden.width)


class Embedding(nn.Module):
    """A sound one: the time before the places, and a vector for hidden ones."""

    def __init__(self, config: Any, drawn: Latents, hidden: Hidden) -> None:
        super().__init__()
        self.project = nn.Linear(drawn.width, hidden.width)
        self.time = nn.Linear(1, hidden.width)
        self.masked = nn.Parameter(torch.randn(hidden.width))

    def forward(self, drawn, first=0, corrupted=None):
        vectors = self.project(drawn)
        times = drawn.new_ones(len(drawn)) if corrupted is None else corrupted.times.to(drawn.dtype)
        if corrupted is not None:
            vectors = torch.where(corrupted.hidden[..., None], self.masked.to(vectors.dtype), vectors)
        return torch.cat((self.time(times[:, None])[:, None].to(vectors.dtype), vectors), dim=1)


class NeedsACorruption(Embedding):
    def forward(self, drawn, first=0, corrupted=None):
        corrupted.times.sum()
        return super().forward(drawn, first, corrupted)


class LeavesOutTheTime(Embedding):
    def forward(self, drawn, first=0, corrupted=None):
        vectors = super().forward(drawn, first, corrupted)
        return vectors[:, 1:] if corrupted is None else vectors


class EmbedsThreeChannels(Embedding):
    def forward(self, drawn, first=0, corrupted=None):
        return super().forward(drawn * torch.tensor([1.0, 1.0, 1.0, 0.0]).to(drawn), first, corrupted)


class LooksBehind(Embedding):
    def forward(self, drawn, first=0, corrupted=None):
        return super().forward(drawn, first, corrupted) + drawn.mean((1, 2), keepdim=True)


class HidesTheRest(Embedding):
    def forward(self, drawn, first=0, corrupted=None):
        return super().forward(drawn, first, corrupted and evolve(corrupted, hidden=~corrupted.hidden))


class HidesAll(Embedding):
    def forward(self, drawn, first=0, corrupted=None):
        hidden = corrupted and evolve(corrupted, hidden=torch.ones_like(corrupted.hidden))
        return super().forward(drawn, first, hidden)


class SharesItsTime(Embedding):
    def forward(self, drawn, first=0, corrupted=None):
        shared = corrupted and evolve(corrupted, times=corrupted.times.mean().expand(len(drawn)))
        return super().forward(drawn, first, shared)


@frozen(kw_only=True)
class Predicts:
    def predict(self, hidden: Hidden, drawn: Any) -> Values:
        return Values(drawn.tokens, drawn.width, "velocity")


class Head(nn.Module):
    """A sound one; the animals of the zoo change one thing each."""

    def __init__(self, config: Any, hidden: Hidden, drawn: Latents) -> None:
        super().__init__()
        self.places = drawn.tokens
        self.out = nn.Linear(hidden.width, drawn.width)

    def forward(self, hidden, drawn, corrupted):
        return self.out(hidden[:, -self.places :])

    def loss(self, hidden, drawn, corrupted, target):
        squared = (self(hidden, drawn, corrupted) - target).square().mean(-1)
        return Loss(squared.sum(), torch.tensor(float(squared.numel())))


class PredictsTheFirstStates(Head):
    def forward(self, hidden, drawn, corrupted):
        return self.out(hidden)


class CountsPictures(Head):
    def loss(self, hidden, drawn, corrupted, target):
        loss = super().loss(hidden, drawn, corrupted, target)
        return Loss(loss.total, torch.tensor(float(len(hidden))))


class SumsValues(Head):
    def loss(self, hidden, drawn, corrupted, target):
        loss = super().loss(hidden, drawn, corrupted, target)
        return Loss(loss.total * target.shape[-1], loss.count)


class MixesPictures(Head):
    def forward(self, hidden, drawn, corrupted):
        return super().forward(hidden - hidden.mean(0, keepdim=True), drawn, corrupted)


class PredictsPlanes(Head):
    def forward(self, hidden, drawn, corrupted):
        return super().forward(hidden, drawn, corrupted).transpose(1, 2)


def case(kind: str, module: Any, config: Any) -> Case:
    component = SimpleNamespace(kind=kind, name="beast", config=config, load=lambda: module)
    ports = {"drawn": LATENTS, "hidden": HIDDEN} if kind == "embedding" else {"hidden": HIDDEN, "drawn": LATENTS}
    return Case(component, config(), ports, 3)  # type: ignore[arg-type]


EMBEDS, READS = wholes.embeds_whole_pictures, wholes.ignores_hidden_latents
SQUARES = wholes.gives_the_squared_difference_of_its_values
ZOO = [
    (NeedsACorruption, Embeds, EMBEDS, "AttributeError: 'NoneType' object has no attribute 'times'"),
    (LeavesOutTheTime, Embeds, EMBEDS, r"for complete pictures, it gave \[3, 6, 8\], expected \[3, 7, 8\]"),
    (Embedding, HasNoLead, EMBEDS, "declares 7 tokens for 6 places; set `lead` of its Features"),
    (EmbedsThreeChannels, Embeds, EMBEDS, "does not read 6 of the 24 values of a picture, such as value 3 of place 0"),
    (LooksBehind, Embeds, READS, "reads latents at hidden places, which are not drawn yet"),
    (HidesTheRest, Embeds, READS, "reads latents at hidden places, which are not drawn yet"),
    (HidesAll, Embeds, READS, "does not read the places that are not hidden"),
    (SharesItsTime, Embeds, common.treats_rows_independently, "the output of a row changes by .* with the rest"),
    (PredictsTheFirstStates, Predicts, SQUARES, r"with one state before those of 6 places it gave \[3, 7, 4\]"),
    (CountsPictures, Predicts, SQUARES, "`loss` counts 3 instead of the 18 places of 3 pictures"),
    (SumsValues, Predicts, SQUARES, "`loss` is .*, but the squared differences of what it predicts, .* add up to"),
    (MixesPictures, Predicts, common.treats_rows_independently, "the output of a row changes by .* with the rest"),
    (PredictsPlanes, Predicts, common.gives_the_shape_it_declares, r"\[3, 6, 4\], but the module gave \[3, 4, 6\]"),
]


def kind_of(config: Any) -> str:
    return "embedding" if issubclass(config, Embeds) else "head"


@pytest.mark.parametrize(
    ("beast", "config", "check", "sentence"), ZOO, ids=lambda value: getattr(value, "__name__", None)
)
def test_each_check_catches_what_it_is_for(beast: Any, config: Any, check: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=rf"^{kind_of(config)} 'beast'.*{sentence}"):
        run_check(check, case(kind_of(config), beast, config))


@pytest.mark.parametrize(("module", "config"), [(Embedding, Embeds), (Head, Predicts)])
def test_sound_parts_pass_every_check(module: Any, config: Any) -> None:
    kind = kind_of(config)
    for check in (*common.COMMON_CHECKS, *kinds.checks_of(kind, config)):
        check(case(kind, module, config))


def test_the_cases_of_a_part_of_latents_have_latents() -> None:
    for kind, name in (("embedding", "patches"), ("head", "values")):
        drawn = Case.draw(kind, name, {}, 5)
        assert isinstance(drawn.ports["drawn"], Latents)
        assert drawn.draws_wholes
        assert registry().find(kind, name).config is type(drawn.config)


class DrawsItsOwnNoise(FlowProcess):
    def read(self, drawn, corrupted):
        return drawn + 0 * torch.randn_like(drawn) if self.is_complete(corrupted) else torch.randn_like(drawn)

    def is_complete(self, corrupted):
        return bool((corrupted.times == self.data_at).all())


class IsNeverComplete(FlowProcess):
    def complete(self, places):
        return Corruption(0.5)


class CompletesWithNoise(FlowProcess):
    """Its complete pictures have a time at which they have noise."""

    def complete(self, places):
        return Corruption(0.0)


class DrawsFromNumpy(FlowProcess):
    def corrupt(self, places, chance):
        import numpy as np

        return Corruption(float(np.random.rand()))


class CountsItsCalls(FlowProcess):
    calls = 0

    def corrupt(self, places, chance):
        CountsItsCalls.calls += 1
        return Corruption(0.5, None, CountsItsCalls.calls)


class IgnoresItsLimit(FlowProcess):
    def corrupt(self, places, chance, most=1.0):
        return super().corrupt(places, chance)


class GivesPlanes(FlowProcess):
    def target(self, drawn, corrupted):
        return super().target(drawn, corrupted).transpose(1, 2)


class NotFinite(FlowSampler):
    def draw(self, *arguments, **others):
        return super().draw(*arguments, **others) / 0


class IgnoresItsSeeds(FlowSampler):
    def draw(self, model, prompts, *, seeds=None, **others):
        return super().draw(model, prompts, seeds=[0] * len(prompts), **others)


class MixesTheBatch(FlowSampler):
    def draw(self, model, prompts, **others):
        latents = super().draw(model, prompts, **others)
        return latents - latents.mean(0, keepdim=True)


def with_process(made: Any) -> Any:
    @frozen
    class Config(FlowConfig):
        def process(self, drawn: Any, predicted: Any) -> FlowProcess:
            return made(predicted.of)

    return Config


CORRUPTS, SAME = samplers.corrupts_pictures_for_training, samplers.draws_the_same_for_a_seed
SAMPLERS = [
    (
        FlowSampler,
        with_process(IsNeverComplete),
        CORRUPTS,
        "the sampler has them at 0.5",
    ),
    (FlowSampler, with_process(CompletesWithNoise), CORRUPTS, "`read` changes a picture with the corruption of `comp"),
    (FlowSampler, with_process(DrawsFromNumpy), CORRUPTS, "`corrupt` draws from `numpy.random`"),
    (FlowSampler, with_process(CountsItsCalls), CORRUPTS, "`corrupt` draws from something else than the generator"),
    (
        FlowSampler,
        with_process(lambda of: IgnoresItsLimit(of, before_text=0.5)),
        CORRUPTS,
        "`corrupt` with at most 0.5 gave a picture that is .* from complete ones",
    ),
    (FlowSampler, with_process(DrawsItsOwnNoise), CORRUPTS, "`read` of a picture depends on the rest of the batch"),
    (
        FlowSampler,
        with_process(GivesPlanes),
        CORRUPTS,
        r"`target` gave \[3, 12, 16\], expected finite numbers \[3, 16, 12\]",
    ),
    (NotFinite, FlowConfig, samplers.draws_codes_of_the_pathway, "drew latents that are not finite"),
    (IgnoresItsSeeds, FlowConfig, SAME, "draws the same latents for other seeds"),
    (MixesTheBatch, FlowConfig, SAME, "draws other latents for a prompt alone than among others"),
]


def sampler_case(module: Any, config: Any) -> Case:
    path = f"{module.__module__}:{module.__qualname__}"
    component = evolve(registry().find("sampler", "flow"), name="beast", config=config, factory=path)
    return Case(component, config(steps=2), {}, 3)


@pytest.mark.parametrize(("beast", "config", "check", "sentence"), SAMPLERS)
def test_samplers_of_whole_pictures_are_checked(beast: Any, config: Any, check: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=rf"^sampler 'beast'.*{sentence}"):
        run_check(check, sampler_case(beast, config))


def test_a_sampler_that_draws_nothing_is_refused() -> None:
    @frozen
    class Config(FlowConfig):
        def process(self, drawn: Any, predicted: Any) -> FlowProcess:
            raise PortMismatch("draws nothing")

    with pytest.raises(AssertionError, match="draws nothing"):
        run_check(SAME, sampler_case(FlowSampler, Config))
    with pytest.raises(UsageError, match="not a pathway whose pictures the sampler 'flow' draws"):
        FlowSampler(FlowConfig()).draw(small_model(), [])
