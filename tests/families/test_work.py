"""The planned arithmetic of a training step is what torch counts, with full blocks and hidden places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from family_recipes import FAMILIES, family_model, family_recipe, sources_of
from janiform import UnifiedModel
from janiform.compose import compose
from janiform.compose.selectors import select
from janiform.contracts.factories import make
from janiform.measure.content import content_of
from janiform.measure.work import forward_work, training_work
from janiform.planning.step_work import StepCounter
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def drawings(model: UnifiedModel, count: int) -> tuple[Any, Any]:
    """The objective of a family, and a batch of prompts with their pictures."""
    use = model.plan.recipe.stages["all"].objective
    objective: Any = make(use.component, evolve(use.config, text_dropout=0.0), model)
    source = sources_of(model.plan.recipe)["draw"]
    examples = [objective.prepare_one(source.example(i), np.random.default_rng(i)) for i in range(count)]
    return objective, objective.collate(examples)


HIDDEN = {"masked": 2 / np.pi, "show-o": 2 / np.pi, "mar": 0.898}
"""The mean share of the 16 places that are hidden: of cos(r·π/2), and of MAR's truncated normal, rounded up."""


@pytest.mark.parametrize("family", FAMILIES)
def test_the_work_of_a_step_is_what_torch_counts(family: str) -> None:
    model = family_model(family)
    objective, batch = drawings(model, 8)
    chosen = select([name for name, _ in model.named_parameters()], model.plan.recipe.stages["all"].train)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in chosen)
    # Fused kernels for the CPU are unknown to the counter, plain matrix products are not.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        torch.stack([loss.mean for loss in objective.losses(batch)[0].values()]).sum().backward()
    rows, length = batch.ids.shape
    content = content_of(batch)
    # Padding, and all keys that a mask hides, are computed here, and are no useful work.
    dense = evolve(content, pairs=rows * length**2, tokens=rows * length)
    work = training_work(model.plan, forward_work(model.plan), chosen)
    # Recurrent layers are counted in whole chunks, which are longer than these rows.
    assert work.of(dense) == pytest.approx(counter.get_total_flops(), rel=0.05 if family == "bamba" else 0.03)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_planned_content_is_that_of_real_batches(family: str) -> None:
    model = family_model(family)
    _, batch = drawings(model, 32)
    real = content_of(batch)
    recipe = family_recipe(family)
    stage = evolve(recipe.stages["all"], mixture={"draw": 1.0}, batch=32)
    counter = StepCounter(compose(recipe), {}, ["draw"], model.processor.text)
    planned = counter.content(stage)
    assert planned.drawn == real.drawn
    assert planned.tokens == pytest.approx(real.tokens, rel=0.02)
    assert planned.pairs == pytest.approx(real.pairs, rel=0.05)  # as if all samples had the mean length
    assert planned.predicted["generation"] == pytest.approx(real.predicted["generation"], rel=0.2)
    assert planned.predicted["generation"] == pytest.approx(32 * HIDDEN.get(family, 1), rel=0.05)
