"""A zoo of broken parts of latents that are drawn place by place, and of tokenizers without a decoder."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from attrs import evolve, frozen
from janiform import Hidden, Latents, Loss, PlaceValues, UsageError, registry
from janiform.testing import common, kinds, latent_tokenizers, regression, samplers
from janiform.testing.case import Case
from janiform.testing.suite import run_check
from janiform_plugins.samplers.config import RegressionConfig
from janiform_plugins.samplers.regression import RegressionSampler
from torch import nn

from .test_zoo_latents import Config, IsCertain
from .test_zoo_wholes import HIDDEN, LATENTS


@frozen(kw_only=True)
class Predicts:
    def predict(self, hidden: Hidden, drawn: Any) -> PlaceValues:
        return PlaceValues(drawn.width)


class Head(nn.Module):
    """A sound one; the animals of the zoo change one thing each."""

    def __init__(self, config: Any, hidden: Hidden, drawn: Latents) -> None:
        super().__init__()
        self.out = nn.Linear(hidden.width, drawn.width)

    def forward(self, hidden):
        return self.out(hidden)

    def loss(self, hidden, latents):
        squared = (self(hidden) - latents).square().sum(-1)
        return Loss(squared.sum(), torch.tensor(float(len(squared))))


class Averages(Head):
    def loss(self, hidden, latents):
        loss = super().loss(hidden, latents)
        return Loss(loss.mean, loss.count)


class CountsValues(Head):
    def loss(self, hidden, latents):
        return Loss(super().loss(hidden, latents).total, torch.tensor(float(latents.numel())))


class ComparesOthers(Head):
    def loss(self, hidden, latents):
        return super().loss(hidden, -latents)


class MixesStates(Head):
    def forward(self, hidden):
        return super().forward(hidden - hidden.mean(0, keepdim=True))


@frozen(kw_only=True)
class HasNoDecoder(Config):
    decodes = False


class EncodesOnly(IsCertain):
    """A sound one without a decoder."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        del self.up, self.width

    def decode(self, latents):
        raise UsageError("the tokenizer has no decoder")

    def losses(self, pixels):
        raise UsageError("the tokenizer has no decoder")


class DecodesAllTheSame(IsCertain):
    pass


class Fails(EncodesOnly):
    def decode(self, latents):
        raise NotImplementedError


def case(kind: str, module: Any, config: Any) -> Case:
    component = SimpleNamespace(kind=kind, name="beast", config=config, load=lambda: module)
    ports = {"hidden": HIDDEN, "drawn": LATENTS} if kind == "head" else {}
    return Case(component, config(), ports, 3)  # type: ignore[arg-type]


SINGLE, DECODES = regression.predicts_single_places, latent_tokenizers.decodes_what_it_encodes
ZOO = [
    ("head", Averages, Predicts, SINGLE, "two parts of a batch do not add up to that of the whole"),
    ("head", CountsValues, Predicts, SINGLE, "`loss` counts 24 instead of 6 places"),
    ("head", ComparesOthers, Predicts, SINGLE, "it must be smallest where it predicts what is there"),
    ("head", MixesStates, Predicts, SINGLE, "the prediction of a place depends on the states of others"),
    ("tokenizer", DecodesAllTheSame, HasNoDecoder, DECODES, "says decodes = False, but `decode` gives pixels"),
    ("tokenizer", Fails, HasNoDecoder, DECODES, "raises NotImplementedError, expected UsageError"),
]


@pytest.mark.parametrize(
    ("kind", "beast", "config", "check", "sentence"), ZOO, ids=lambda value: getattr(value, "__name__", None)
)
def test_each_check_catches_what_it_is_for(kind: str, beast: Any, config: Any, check: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=rf"^{kind} 'beast'.*{sentence}"):
        run_check(check, case(kind, beast, config))


@pytest.mark.parametrize(
    ("kind", "module", "config"), [("head", Head, Predicts), ("tokenizer", EncodesOnly, HasNoDecoder)]
)
def test_sound_parts_pass_every_check(kind: str, module: Any, config: Any) -> None:
    for check in (*common.COMMON_CHECKS, *kinds.checks_of(kind, config)):
        check(case(kind, module, config))


class SharesItsPictures(RegressionSampler):
    """It claims to need no seeds, and mixes the pictures of a batch."""

    def draw(self, model, prompts, **others):
        latents = super().draw(model, prompts, **others)
        return latents - latents.mean(0, keepdim=True)


def test_a_sampler_without_random_numbers_is_still_checked() -> None:
    path = f"{SharesItsPictures.__module__}:{SharesItsPictures.__qualname__}"
    component = evolve(registry().find("sampler", "regression"), name="beast", factory=path)
    with pytest.raises(AssertionError, match="draws other latents for a prompt alone than among others"):
        run_check(samplers.draws_the_same_for_a_seed, Case(component, RegressionConfig(), {}, 3))
