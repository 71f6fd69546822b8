"""Broken samplers of whole pictures, and broken embeddings of hidden places: each check catches what it is for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve, frozen
from janiform import Corrupted, Corruption, registry
from janiform.testing import samplers, wholes
from janiform.testing.case import Case, _ports
from janiform.testing.suite import run_check
from janiform_plugins.embeddings.config import TableConfig
from janiform_plugins.embeddings.table import TableEmbedding
from janiform_plugins.samplers.masked.config import MaskedConfig
from janiform_plugins.samplers.masked.process import MaskedProcess
from janiform_plugins.samplers.masked.sampler import MaskedSampler


class SeedsTogether(MaskedSampler):
    """The seed of a picture depends on those beside it."""

    def draw(self, model, prompts, *, seeds=None, **others):
        return super().draw(model, prompts, seeds=[sum(seeds or [0]) + row for row in range(len(prompts))], **others)


class LeavesAHiddenPlace(MaskedSampler):
    def draw(self, model, prompts, **others):
        codes = super().draw(model, prompts, **others)
        codes[:, 0] = -1
        return codes


class ReportsItsSteps(MaskedSampler):
    """Counts to the steps of the config, and not to those that it takes."""

    def draw(self, model, prompts, *, on_step=None, **others):
        return super().draw(model, prompts, on_step=on_step and (lambda done, of: on_step(done, of + 1)), **others)


class HidesNothing(MaskedProcess):
    def corrupt(self, places, chance):
        return Corruption(hidden=np.zeros(places, bool), seed=int(chance.integers(9)))


class HidesTheSame(MaskedProcess):
    def corrupt(self, places, chance):
        return super().corrupt(places, np.random.default_rng(0))


class HidesGlobally(MaskedProcess):
    def corrupt(self, places, chance):
        return super().corrupt(places, np.random.default_rng())


class CountsPlaces(MaskedProcess):
    def corrupt(self, places, chance):
        return Corruption(hidden=super().corrupt(places, chance).hidden.astype(int))  # type: ignore[union-attr]


class DeclaresNothing(MaskedProcess):
    def complete(self, places):
        return Corruption()


class HidesWhatIsComplete(MaskedProcess):
    def complete(self, places):
        return Corruption(hidden=np.ones(places, bool))


class ReadsOther(MaskedProcess):
    def read(self, drawn, corrupted):
        return drawn.flip(1)


class ShowsCodes(TableEmbedding):
    """Adds the vector of the mask, and keeps that of the code."""

    def forward(self, codes, first=0, corrupted=None):
        vectors = super().forward(codes.clamp(min=0), first)
        return vectors if corrupted is None else vectors + corrupted.hidden[..., None] * self.mask


class HidesAll(TableEmbedding):
    """Hides all places of a picture of which one is hidden."""

    def forward(self, codes, first=0, corrupted=None):
        if corrupted is not None:
            corrupted = Corrupted(hidden=corrupted.hidden.any(dim=1, keepdim=True).expand_as(corrupted.hidden))
        return super().forward(codes, first, corrupted)


class KnowsNoMask(TableEmbedding):
    """Takes any code of a hidden place for the first."""

    def forward(self, codes, first=0, corrupted=None):
        if corrupted is not None:
            codes = codes.masked_fill(corrupted.hidden[..., None], 0)
        return super().forward(codes, first)


class MarksPictures(TableEmbedding):
    """Another vector for a complete picture that is declared so."""

    def forward(self, codes, first=0, corrupted=None):
        return super().forward(codes, first, corrupted) + (corrupted is not None)


def of(process: type) -> type:
    """The config of a sampler with a broken process."""

    @frozen
    class Config(MaskedConfig):
        def process(self, drawn, predicted):
            super().process(drawn, predicted)
            return process()

    return Config


def sampler(factory: type, config: type = MaskedConfig) -> Case:
    path = f"{factory.__module__}:{factory.__qualname__}"
    component = evolve(registry().find("sampler", "masked"), name="beast", config=config, factory=path)
    return Case(component, config(steps=3), {}, 3)


def embedding(factory: type) -> Case:
    component = SimpleNamespace(kind="embedding", name="beast", config=TableConfig, load=lambda: factory)
    return Case(component, TableConfig(mask=True), _ports(("drawn", "hidden"), 3), 3)  # type: ignore[arg-type]


CORRUPTS = samplers.corrupts_pictures_for_training

ZOO: list[tuple[Any, Any, str]] = [
    (SeedsTogether, samplers.draws_the_same_for_a_seed, "draws other codes for a prompt alone than among others"),
    (LeavesAHiddenPlace, samplers.draws_codes_of_the_pathway, "drew codes -1 .. "),
    (ReportsItsSteps, samplers.reports_its_progress, "do not count up to their total"),
    (of(HidesNothing), CORRUPTS, "`corrupt` hides no place: nothing is predicted"),
    (of(HidesTheSame), CORRUPTS, "hides the same places whatever its generator gives"),
    (of(HidesGlobally), CORRUPTS, "`corrupt` draws from something else than the generator"),
    (of(CountsPlaces), CORRUPTS, r"the hidden places are int64 \[64\], expected bool \[64\]"),
    (of(HidesWhatIsComplete), CORRUPTS, "`complete` hides places"),
    (of(DeclaresNothing), CORRUPTS, "both give hidden places or times, or neither"),
    (of(ReadsOther), CORRUPTS, "`read` changes a picture with the corruption of `complete`"),
]


@pytest.mark.parametrize(("beast", "check", "sentence"), ZOO, ids=range(len(ZOO)))
def test_each_check_of_samplers_catches_what_it_is_for(beast: Any, check: Any, sentence: str) -> None:
    case = sampler(MaskedSampler, beast) if issubclass(beast, MaskedConfig) else sampler(beast)
    with pytest.raises(AssertionError, match=f"^sampler 'beast'.*{sentence}"):
        run_check(check, case)


@pytest.mark.parametrize(
    ("beast", "sentence"),
    [
        (ShowsCodes, "the vectors depend on the codes of hidden places"),
        (HidesAll, "the vectors of places that are not hidden depend on others"),
        (KnowsNoMask, "hidden places have the vectors of code 0"),
        (MarksPictures, "nothing is hidden in another way than a complete one"),
    ],
)
def test_each_embedding_is_caught(beast: type, sentence: str) -> None:
    with pytest.raises(AssertionError, match=f"^embedding 'beast'.*{sentence}"):
        run_check(wholes.ignores_hidden_codes, embedding(beast))


def test_the_sound_ones_pass() -> None:
    for check in samplers.SAMPLER_CHECKS:
        if check.__name__ != "keeps_its_config_through_a_recipe":
            run_check(check, sampler(MaskedSampler))
    run_check(wholes.ignores_hidden_codes, embedding(TableEmbedding))
    assert torch.is_grad_enabled()
