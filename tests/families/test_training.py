"""Losses and gradients of every family are the same however a step is packed and divided."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from family_recipes import FAMILIES, examples_of, family_model
from janiform import UnifiedModel
from janiform.contracts.factories import make
from step_gradients import summed


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> UnifiedModel:
    """In float64, so that what should be equal is equal to many places."""
    return family_model(request.param).double()


def objective_of(model: UnifiedModel, **changes: Any) -> Any:
    use = model.plan.recipe.stages["all"].objective
    return make(use.component, evolve(use.config, **changes), model)


def test_packing_and_micro_batches_change_nothing(model: UnifiedModel) -> None:
    padded, packed = objective_of(model), objective_of(model, packed=250)
    model.part("generation.tokenizer").requires_grad_(False)
    examples = examples_of(model.plan.recipe)
    prepared = [padded.prepare_one(example, np.random.default_rng(index)) for index, example in enumerate(examples)]
    assert len({len(sequence) for sequence in prepared}) > 1
    assert len(packed.collate(prepared).ids) < len(prepared)
    expected = summed(model, padded, [prepared])
    assert {"generation", "text"} <= set(expected)
    for objective, groups in (
        (padded, [[one] for one in prepared]),
        (padded, [prepared[:3], prepared[3:]]),
        (packed, [prepared]),
        (packed, [prepared[5:], prepared[:5]]),
    ):
        other = summed(model, objective, groups)
        assert other.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(
                other[name], value, rtol=1e-6, atol=1e-6, msg=lambda text, at=name: f"{at}: {text}"
            )
