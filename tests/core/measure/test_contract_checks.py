"""What ``check`` sees of a part that fails, or that mixes the codes of a picture in a pathway that draws."""

from __future__ import annotations

import re
from typing import Any

import pytest
import tiny_parts
import torch
from attrs import evolve
from janiform import CompositionError
from janiform.compose import compose
from janiform.measure.contract_checks import check_contracts
from janiform.model.modules import build_modules
from janiform_plugins.adapters.projections import MlpAdapter
from torch import nn
from torch.nn.functional import dropout, pad


class Whole(MlpAdapter):
    """A sound adapter; the others change one thing each."""


class Mixes(MlpAdapter):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(features + features.cumsum(1))


class MixesFromZero(MlpAdapter):
    """Learns to mix: its gate begins at zero."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(features + self.gate * features.mean(1, keepdim=True))


class LooksFarBack(MlpAdapter):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(features + pad(features, (0, 0, 7, 0))[:, : features.shape[1]])


class MixesInTraining(MlpAdapter):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(features + features.cumsum(1) if self.training else features)


class UsesTheBatch(MlpAdapter):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(features - features.mean(0))


class Drops(MlpAdapter):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(dropout(features, 0.5, self.training))


class NeedsAll(MlpAdapter):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if features.shape[1] == 1:
            raise ValueError("a picture has more codes")
        return super().forward(features)


class Raises(MlpAdapter):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(features.flaten(1))  # type: ignore[no-any-return, operator]


class RaisesAsIfForValues(MlpAdapter):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if float(features.sum()) > -1:
            raise RuntimeError("it fails with values as well")
        return super().forward(features)


class ReadsValues(MlpAdapter):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(features) * (1 + 0 * float(features.sum()))


def checked(make_plan: Any, factory: type, where: str = "generation") -> None:
    plan = make_plan()
    part = plan.parts[f"{where}.adapter"]
    part = evolve(part, use=evolve(part.use, component=Stand(part.use.component, factory)))
    plan = evolve(plan, parts={**plan.parts, part.path: part})
    check_contracts(plan, build_modules(plan, device="meta"))


class Stand:
    """A component whose factory is another one."""

    def __init__(self, component: Any, factory: type) -> None:
        self.component, self.factory = component, factory

    def load(self) -> type:
        return self.factory

    def __getattr__(self, name: str) -> Any:
        return getattr(self.component, name)


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (Mixes, "mixes the codes of a picture: code 1 alone gives another vector"),
        (MixesFromZero, "mixes the codes of a picture: code 0 alone gives another vector"),
        (LooksFarBack, "mixes the codes of a picture: code 7 alone gives another vector"),
        (UsesTheBatch, "mixes the codes of a picture: code 0 alone gives another vector"),
        (MixesInTraining, "mixes the codes of a picture: in training mode the vector of code 8 depends on other codes"),
        (NeedsAll, "cannot map one code alone, as drawing does: ValueError: a picture has more codes"),
        (Raises, "fails in forward of its module: AttributeError: 'Tensor' object has no attribute 'flaten'"),
        (RaisesAsIfForValues, "fails in forward of its module: RuntimeError: it fails with values as well"),
    ],
)
def test_a_part_that_cannot_draw_is_refused(make_plan: Any, factory: type, sentence: str) -> None:
    with pytest.raises(CompositionError, match=rf"generation\.adapter.*{re.escape(sentence)}"):
        checked(make_plan, factory)


@pytest.mark.parametrize("factory", [Whole, ReadsValues, Drops])
def test_a_sound_part_passes(make_plan: Any, factory: type) -> None:
    checked(make_plan, factory)


@pytest.mark.parametrize("factory", [Mixes, NeedsAll])
def test_an_adapter_that_looks_may_mix(make_plan: Any, factory: type) -> None:
    checked(make_plan, factory, "understanding")


def test_an_adapter_that_looks_and_is_shared_by_a_pathway_that_draws_must_not_mix(make_plan: Any) -> None:
    plan = make_plan()
    looks, draws = (plan.parts[f"{name}.adapter"] for name in ("understanding", "generation"))
    looks = evolve(looks, use=evolve(looks.use, component=Stand(looks.use.component, Mixes)))
    shared = {**plan.parts, looks.path: looks, draws.path: evolve(draws, owner=looks.path)}
    plan = evolve(plan, parts=shared)
    modules = {path: part for path, part in build_modules(plan, device="meta").items() if path == looks.path}
    with pytest.raises(CompositionError, match=r"understanding\.adapter.*mixes the codes of a picture"):
        check_contracts(plan, modules)


def test_a_check_draws_no_random_numbers(make_plan: Any) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    checked(make_plan, Drops)
    assert torch.equal(before, torch.get_rng_state())


def test_parts_of_a_plan_are_checked_as_composed() -> None:
    with pytest.raises(CompositionError, match="lacks"):
        check_contracts(compose(tiny_parts.recipe(tiny_parts.draw())))
