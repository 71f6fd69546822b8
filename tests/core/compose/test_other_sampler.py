"""A recipe drawn by another sampler: its settings are kept, and what the model was not trained for is refused."""

from __future__ import annotations

import attrs
import pytest
from janiform import CompositionError, UsageError, read_recipe
from janiform.compose.other_sampler import compose_with_sampler
from janiform.errors import ComponentError


def test_settings_that_both_samplers_have_are_kept() -> None:
    own = read_recipe("janus-mini")
    plan = compose_with_sampler(own, "jacobi")
    before, after = own.part("generation.sampler"), plan.parts["generation.sampler"].use
    assert after.component.reference == "jacobi@1"
    common = attrs.asdict(before.config)
    assert attrs.asdict(after.config).items() >= common.items()
    assert attrs.asdict(after.config).keys() - common.keys() == {"window"}


def test_the_sampler_of_the_recipe_is_left_as_it_is() -> None:
    own = read_recipe("janus-micro-flow")
    assert compose_with_sampler(own, "flow@1").recipe == own


def test_the_reason_is_told_without_a_line_of_the_recipe() -> None:
    with pytest.raises(CompositionError) as raised:
        compose_with_sampler(read_recipe("janus-mini"), "flow")
    first, reason = raised.value.problems
    assert str(first) == "the model 'janus-mini' cannot draw with the sampler 'flow'"
    assert str(reason).startswith("generation.sampler: flow@1 does not fit: sampler 'flow' draws latents")


def test_a_head_that_was_trained_for_hidden_places_is_not_drawn_one_by_one() -> None:
    """The parts fit together, and the pictures would be noise."""
    with pytest.raises(CompositionError, match="trained to draw as 'masked' does, and 'jacobi' draws in another way"):
        compose_with_sampler(read_recipe("janus-micro-masked"), "jacobi")


def test_a_model_that_draws_nothing_has_no_sampler() -> None:
    recipe = read_recipe("janus-mini")
    looking = attrs.evolve(recipe, pathways={"understanding": recipe.pathways["understanding"]})
    with pytest.raises(UsageError, match="draws no pictures, so it has no sampler to replace"):
        compose_with_sampler(looking, "jacobi")
    with pytest.raises(ComponentError, match="did you mean 'jacobi'"):
        compose_with_sampler(recipe, "jacoby")
