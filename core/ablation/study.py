"""A study as an object: its cells, each with a resolved recipe, and how they are compared. Plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen, validators

from ..arguments import MAX_SEED
from ..errors import Origin
from ..recipe import Recipe, Use

Currency = Literal["samples", "flops", "parameters", "seconds"]
Direction = Literal["up", "down"]


def _help(sentence: str) -> dict[str, str]:
    return {"help": sentence}


def _seeds(_: Any, attribute: Any, value: int | tuple[int, ...]) -> None:
    if isinstance(value, int):
        if not 1 <= value <= 1000:
            raise ValueError("must be a number of seeds from 1 to 1000, or a list of seeds")
        return
    if not value:
        raise ValueError("must name at least one seed")
    if wrong := [seed for seed in value if not 0 <= seed <= MAX_SEED]:
        raise ValueError(f"the seed {wrong[0]} must be from 0 to {MAX_SEED}")
    if twice := [seed for seed in value if value.count(seed) > 1]:
        raise ValueError(f"names the seed {twice[0]} twice")


@frozen(kw_only=True)
class Primary:
    """``primary``: the one metric that the study is about. ``direction``: empty means that of the benchmark."""

    metric: str = field(validator=validators.min_len(1), metadata=_help("Name of the metric: drawing.overall."))
    direction: Literal["up", "down", ""] = field(
        default="", metadata=_help("Whether more is better: up or down; that of the benchmark by default.")
    )
    margin: float = field(
        default=0.0,
        validator=validators.ge(0),
        metadata=_help("Largest difference that counts as none, for tests of equivalence; 0 makes none."),
    )


@frozen(kw_only=True)
class Equal:
    """``equal``: what is held equal between the cells, and what is changed for it."""

    currency: Currency = field(default="samples", metadata=_help("samples, flops, parameters or seconds."))
    stage: str = field(
        default="", metadata=_help("Stage whose steps are set for equal flops or seconds; the last by default.")
    )
    setting: str = field(
        default="", metadata=_help("Path of the width that is set for equal parameters: backbone.width.")
    )
    multiple: int = field(
        default=8, validator=validators.ge(1), metadata=_help("Number that the width must be a multiple of.")
    )


@frozen(kw_only=True)
class StudySettings:
    """The settings of a study that are neither cells nor tables of components."""

    name: str = field(default="", metadata=_help("Name of the study; that of the file by default."))
    description: str = field(default="", metadata=_help("One sentence: the question that the study asks."))
    base: str = field(default="", metadata=_help("Name or file of the recipe that cells change."))
    tokenizer: str = field(
        default="",
        metadata=_help("Folder, or name of a shipped model, whose text tokenizer all cells share; learned by default."),
    )
    baseline: str = field(default="", metadata=_help("Cell that the others are compared with; base by default."))
    primary: str | Primary = field(metadata=_help("The one metric that the study is about: drawing.overall."))
    seeds: int | tuple[int, ...] = field(
        default=3, validator=_seeds, metadata=_help("Number of seeds, or a list of them.")
    )
    equal: Currency | Equal = field(
        default="samples", metadata=_help("What the cells have in equal amounts: samples, flops, parameters, seconds.")
    )
    grid: tuple[str | tuple[str, ...], ...] = field(
        default=(), metadata=_help("Axes whose combinations are cells, or a list of such lists.")
    )
    one_at_a_time: tuple[str, ...] = field(
        default=(), metadata=_help("Axes whose values are cells by themselves, beside the base.")
    )
    excluded: tuple[Mapping[str, str | tuple[str, ...]], ...] = field(
        default=(), metadata=_help("Combinations of values by axis that are left out of the grid; written `except`.")
    )

    @property
    def all_seeds(self) -> tuple[int, ...]:
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @property
    def main(self) -> Primary:
        return Primary(metric=self.primary) if isinstance(self.primary, str) else self.primary

    @property
    def budget(self) -> Equal:
        return Equal(currency=self.equal) if isinstance(self.equal, str) else self.equal


@frozen
class Change:
    """A setting in which a cell differs from the baseline; a side is None where its recipe has no such setting."""

    path: str
    baseline: Any
    value: Any


@frozen(eq=False)
class Cell:
    """One design of a study.

    ``values``: the value of each axis that made it, empty for a cell of its own table. ``origin``: where it is written.
    ``resolve``: its recipe with further settings by path, which a budget decides. ``changes``: against the baseline, in
    what is built and trained.
    """

    name: str
    recipe: Recipe
    values: Mapping[str, str]
    origin: Origin
    resolve: Callable[[Mapping[str, Any]], Recipe]
    changes: tuple[Change, ...] = ()
    summary: str = ""
    """What it changes, in words of the study; empty where it has none."""

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that it trains, in order."""
        return self.recipe.training.stages or tuple(self.recipe.stages)


@frozen(eq=False)
class Study:
    """A study whose cells are all valid recipes of models whose parts fit together.

    ``cells``: the baseline first. ``evaluations``: benchmarks by name. ``left_out``: combinations of the grid that
    ``except`` names.
    """

    file: Path
    text: str
    settings: StudySettings
    cells: tuple[Cell, ...]
    evaluations: Mapping[str, Use]
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.settings.name or self.file.stem

    @property
    def baseline(self) -> Cell:
        return self.cell(self.settings.baseline or BASE)

    def cell(self, name: str) -> Cell:
        return next(cell for cell in self.cells if cell.name == name)

    def runs(self) -> Iterator[tuple[Cell, int]]:
        """Every cell with every seed, seeds outermost: a study that is cut short has all cells of fewer seeds."""
        return ((cell, seed) for seed in self.settings.all_seeds for cell in self.cells)


BASE = "base"
"""The name of the cell that is the base itself."""
