"""Recipes of equal budgets: another number of steps, the steps for a number of FLOPs, the width for parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from attrs import evolve

from ..compose import compose
from ..errors import JaniformError, Problem, UsageError, nearest
from ..model.modules import build_modules
from ..recipe import Recipe, Stage
from .design import design_costs

if TYPE_CHECKING:
    from ..contracts import TextTokenizer

LARGEST = 1 << 17
"""The largest width that is tried."""

TRIES = 64
"""The most multiples in a row that are tried where a width does not compose."""


def with_steps(recipe: Recipe, stage: str, steps: int) -> Recipe:
    """The recipe with another number of steps in a stage. The warm-up stays as it is written.

    Where the stage stops early, ``steps`` is the step after which it stops, and the schedule is longer in proportion,
    so that the learning rate falls as far as before.

    Raises ``UsageError`` where there is no such stage, or the steps are fewer than its warm-up.
    """
    before = _stage(recipe, stage)
    if steps < 1:
        raise UsageError(f"stage '{stage}' must have at least 1 step; got {steps}")
    whole = -(-before.steps * steps // before.stop) if before.stop else steps
    if whole < before.warmup:
        raise UsageError(
            Problem(
                f"a schedule of {whole} steps is shorter than the warm-up of {before.warmup}",
                f"stage.{stage}.steps",
                recipe.origins.get(f"stage.{stage}.warmup"),
                "allow more steps, or write a shorter warmup",
            )
        )
    after = evolve(before, steps=whole, stop=steps if before.stop else 0)
    return evolve(recipe, stages={**recipe.stages, stage: after})


def steps_for_flops(
    recipe: Recipe,
    stage: str,
    target: float,
    *,
    text: TextTokenizer | None = None,
    lengths: Mapping[str, int] | None = None,
) -> tuple[int, float]:
    """The number of steps of a stage whose FLOPs are nearest to a target, and the residue: theirs minus the target.

    At least one step. Raises what ``design_costs`` raises, and ``UsageError`` where the stage cannot be counted.
    """
    _stage(recipe, stage)
    costs = design_costs(recipe, [stage], text=text, lengths=lengths).stages[stage]
    if not costs.flops_per_step:
        raise UsageError(
            Problem(f"its FLOPs are not known: {costs.problem or 'it computes nothing'}", f"stage.{stage}")
        )
    steps = max(1, round(target / costs.flops_per_step))
    return steps, steps * costs.flops_per_step - target


def parameters_of(recipe: Recipe) -> int:
    """The number of parameters of a recipe's model. Raises ``CompositionError`` where its parts do not fit."""
    modules = build_modules(compose(recipe), "meta")
    return sum(parameter.numel() for module in modules.values() for parameter in module.parameters())


def solve_width(read: Callable[[int], Recipe], target_parameters: int, multiple: int = 8) -> tuple[int, int]:
    """The width at which a model has the number of parameters nearest to a target, and the residue.

    Args:
        read: gives the recipe with a width. Widths for which it raises a ``JaniformError``, or whose recipe does not
            compose, are left out; the next multiple is tried instead.
        multiple: all widths are multiples of it.

    Returns:
        The width, and its number of parameters minus the target.

    Raises:
        UsageError: no width composes, or the number of parameters does not grow with the width.
    """
    if target_parameters < 1 or multiple < 1:
        raise UsageError(f"expected parameters and a multiple of at least 1; got {target_parameters} and {multiple}")
    widths = _Widths(read, multiple)
    low, high = 0, 1
    while (size := widths.at(high)[1]) < target_parameters:
        low, high = widths.at(high)[0], 2 * widths.at(high)[0]
        if high * multiple > LARGEST:
            first, most = widths.at(1), widths.at(low)
            raise UsageError(
                f"no width up to {LARGEST} gives {target_parameters:,} parameters: there are {first[1]:,} at "
                f"{first[0] * multiple} and {most[1]:,} at {most[0] * multiple}"
            )
    while high - low > 1:  # more parameters than the target at high, fewer at low
        middle = (low + high) // 2
        low, high = (middle, high) if widths.at(middle)[1] < target_parameters else (low, middle)
    found = [widths.at(high)] + ([widths.at(low)] if low else [])
    factor, size = min(found, key=lambda pair: (abs(pair[1] - target_parameters), pair[0]))
    return factor * multiple, size - target_parameters


class _Widths:
    """Numbers of parameters of widths that compose, as multiples of ``multiple``."""

    def __init__(self, read: Callable[[int], Recipe], multiple: int) -> None:
        self._read, self._multiple = read, multiple
        self._sizes: dict[int, int | JaniformError] = {}

    def at(self, factor: int) -> tuple[int, int]:
        """The first factor from this one on that composes, with its number of parameters.

        Raises ``UsageError`` with the reason of the last where none of many composes.
        """
        for tried in range(factor, factor + TRIES):
            size = self._size(tried)
            if isinstance(size, int):
                return tried, size
            problems = size.problems
        widths = f"{factor * self._multiple} to {(factor + TRIES - 1) * self._multiple}"
        raise UsageError(
            [
                Problem(
                    f"no width of {widths} in steps of {self._multiple} composes; the last one does not, because:",
                    hint="choose another multiple, or another setting to solve for",
                ),
                *problems,
            ]
        )

    def _size(self, factor: int) -> int | JaniformError:
        if factor not in self._sizes:
            try:
                self._sizes[factor] = parameters_of(self._read(factor * self._multiple))
            except JaniformError as error:
                self._sizes[factor] = error
        return self._sizes[factor]


def _stage(recipe: Recipe, name: str) -> Stage:
    if name not in recipe.stages:
        hint = nearest(name, recipe.stages)
        raise UsageError(Problem(f"recipe '{recipe.name}' has no stage '{name}'", hint=hint))
    return recipe.stages[name]
