"""A zoo of broken heads of single places: each check catches what it is for, and says so in a sentence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from attrs import frozen
from janiform import Grid, Hidden, Latents, Loss, Values
from janiform.contracts.factories import contract_of, missing_names
from janiform.testing import common, kinds, places
from janiform.testing.case import Case
from janiform.testing.suite import run_check
from torch import nn

LATENTS = Latents(Grid(2, 3), 4)
HIDDEN = Hidden(8, 64, 128, 2, 2, 8)


@frozen(kw_only=True)
class Predicts:
    def predict(self, hidden: Hidden, drawn: Any) -> Values:
        return Values(drawn.tokens, drawn.width, "sample")


class Head(nn.Module):
    """A sound one, which draws around a mean; the animals of the zoo change one thing each."""

    def __init__(self, config: Any, hidden: Hidden, drawn: Latents) -> None:
        super().__init__()
        self.places, self.width = drawn.tokens, drawn.width
        self.out = nn.Linear(hidden.width, drawn.width)

    def forward(self, hidden, drawn, corrupted):
        return hidden[:, -self.places :]

    def loss(self, conditions, target, noise):
        near = target + 0.1 * noise.normal(self.width)
        squared = (self.out(conditions).float() - near).square().mean(-1)
        return Loss(squared.sum(), torch.tensor(float(len(squared))))

    def sample(self, conditions, sampling):
        return self.mixed(conditions, sampling) + sampling.temperature * sampling.normal(self.width)

    def mixed(self, conditions, sampling):
        return sampling.mixed(self.out(conditions)).float()


class LosesByGlobalNumbers(Head):
    def loss(self, conditions, target, noise):
        return super().loss(conditions, target + torch.randn_like(target), noise)


class CountsValues(Head):
    def loss(self, conditions, target, noise):
        loss = super().loss(conditions, target, noise)
        return Loss(loss.total, loss.count * self.width)


class LosesAMean(Head):
    def loss(self, conditions, target, noise):
        loss = super().loss(conditions, target, noise)
        return Loss(loss.mean, loss.count)


class CentresThePlaces(Head):
    def loss(self, conditions, target, noise):
        return super().loss(conditions, target - target.mean(0), noise)


class ForgetsItsConditions(Head):
    def loss(self, conditions, target, noise):
        return super().loss(conditions * torch.zeros(len(conditions), 1), target, noise)


class DetachesItsConditions(Head):
    def loss(self, conditions, target, noise):
        return super().loss(conditions.detach(), target, noise)


class DividesByZero(Head):
    def loss(self, conditions, target, noise):
        loss = super().loss(conditions, target, noise)
        return Loss(loss.total / 0, loss.count)


class DrawsItsOwnNoise(Head):
    def sample(self, conditions, sampling):
        return self.mixed(conditions, sampling) + torch.randn(len(conditions), self.width)


class CentresPictures(Head):
    def sample(self, conditions, sampling):
        return super().sample(conditions - conditions.mean(0), sampling)


class DrawsAllRows(Head):
    def mixed(self, conditions, sampling):
        return self.out(conditions).float()

    def sample(self, conditions, sampling):
        return self.mixed(conditions, sampling) + sampling.repeated(sampling.normal(self.width))


class AddsTheRows(Head):
    def mixed(self, conditions, sampling):
        return sum(self.out(conditions).chunk(len(sampling.guidance)))


class IgnoresGuidance(Head):
    def mixed(self, conditions, sampling):
        return sampling.plain(self.out(conditions))


class DrawsInFloat64(Head):
    def sample(self, conditions, sampling):
        return super().sample(conditions, sampling).double()


class PredictsPlanes(Head):
    def forward(self, hidden, drawn, corrupted):
        return super().forward(hidden, drawn, corrupted).transpose(1, 2)


def case(module: Any) -> Case:
    component = SimpleNamespace(kind="head", name="beast", config=Predicts, load=lambda: module)
    return Case(component, Predicts(), {"hidden": HIDDEN, "drawn": LATENTS}, 3)  # type: ignore[arg-type]


LOSES, DRAWS = places.gives_the_loss_of_each_place, places.draws_each_place_by_itself
ZOO = [
    (LosesByGlobalNumbers, common.is_deterministic, "draws random numbers in eval mode"),
    (CountsValues, LOSES, "`loss` counts .* instead of .* places"),
    (LosesAMean, LOSES, "the losses of two parts of the places add up to .*, and that of all is"),
    (CentresThePlaces, LOSES, "the losses of two parts of the places add up to .*, and that of all is"),
    (ForgetsItsConditions, LOSES, "the loss does not depend on the conditions of"),
    (DetachesItsConditions, LOSES, "its loss has no gradient for the conditions"),
    (DividesByZero, LOSES, "`loss` is not finite"),
    (DrawsItsOwnNoise, common.is_deterministic, "draws random numbers in eval mode"),
    (DrawsInFloat64, DRAWS, r"`sample` gave torch.float64 \[18, 4\], expected finite float32 \[18, 4\]"),
    (CentresPictures, DRAWS, "the values of a picture's places change by .* with the other pictures"),
    (DrawsAllRows, DRAWS, r"for two guidance rows `sample` gave \[36, 4\], expected \[18, 4\]"),
    (AddsTheRows, DRAWS, "with guidance whose rows are equal it draws other values than without"),
    (IgnoresGuidance, DRAWS, "ignores guidance; mix the predictions of all rows"),
    (PredictsPlanes, common.gives_the_shape_it_declares, r"hence \[3, 6\], but the module gave \[3, 8\]"),
]


@pytest.mark.parametrize(("beast", "check", "sentence"), ZOO, ids=lambda value: getattr(value, "__name__", None))
def test_each_check_catches_what_it_is_for(beast: Any, check: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=rf"^head 'beast'.*{sentence}"):
        run_check(check, case(beast))


def test_a_head_that_lacks_a_method_is_told_its_contract() -> None:
    port = Predicts().predict(HIDDEN, LATENTS)
    assert contract_of("head", port) == "PlaceHead"
    assert contract_of("head", Values(6, 4, "noise")) == "PictureHead"
    assert missing_names("head", Head, port) == ""
    assert missing_names("head", nn.Module(), port).startswith("which lacks loss, sample; see PlaceHead")


def test_a_sound_head_passes_every_check() -> None:
    for check in (*common.COMMON_CHECKS, *kinds.checks_of("head", Predicts)):
        check(case(Head))
