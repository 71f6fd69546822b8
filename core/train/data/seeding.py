"""How the random numbers of a run, and the samples of its stages, follow from its seeds.

Everything is named: a stage has numbers of its own by its name, and a source a first sample by the names of both, so
that neither depends on the order of stages or on what other stages and parts exist. ``run.json`` stores ``VERSION`` as
``seeding``; a run without it was begun by earlier rules, by which it is resumed to the same weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import torch
from attrs import frozen

from ...contracts import Source
from ...recipe import Recipe
from ...seeds import derived_seed
from .sources import ends_before

VERSION = 2
"""The version of the rules of a run that begins."""

_PASSES = 2**20
"""Passes over a source among which a stage begins one."""

_STRIDE = 2**32
"""Samples between the first ones of two stages, of a source without passes; more than any stage takes."""


class StageSeeds(Protocol):
    """The random numbers of one stage."""

    @property
    def batches(self) -> tuple[int, ...]:
        """Entropy of the generators with which examples are prepared."""

    def begin(self, *words: str | int) -> None:
        """Seed torch's generator for a purpose: stage, adapter PATH, objective, training or process RANK."""

    def first(self, sources: Mapping[str, Source], names: Iterable[str], taken: Mapping[str, int]) -> dict[str, int]:
        """The index of the stage's first sample of each named source; ``taken``: samples of earlier stages."""


class RunSeeds(Protocol):
    """The random numbers of a run."""

    @property
    def weights(self) -> int | None:
        """The seed of the parts' first weights; None continues torch's generator."""

    def stage(self, name: str) -> StageSeeds: ...


def seeds_of(recipe: Recipe, version: int = VERSION) -> RunSeeds:
    """The seeds of a run of a recipe, by the rules of a version."""
    training = recipe.training
    if version < VERSION:
        return _RunByOrder(training.seed, tuple(recipe.stages))
    return _RunByName(training.seed, training.seed_of_data)


@frozen
class _RunByName:
    seed: int
    data_seed: int

    @property
    def weights(self) -> int | None:
        return self.seed

    def stage(self, name: str) -> StageSeeds:
        return _StageByName(self.seed, self.data_seed, name)


@frozen
class _StageByName:
    seed: int
    data_seed: int
    name: str

    @property
    def batches(self) -> tuple[int, ...]:
        return (derived_seed("batches", self.data_seed, self.name),)

    def begin(self, *words: str | int) -> None:
        torch.manual_seed(derived_seed("stage", self.seed, self.name, *words))

    def first(self, sources: Mapping[str, Source], names: Iterable[str], taken: Mapping[str, int]) -> dict[str, int]:
        return {name: self._first(name, sources[name]) for name in names}

    def _first(self, name: str, source: Source) -> int:
        number = derived_seed("samples", self.data_seed, self.name, name) % _PASSES
        index = number * (getattr(source, "length", None) or _STRIDE)
        return 0 if ends_before(source, index) else index


@frozen
class _RunByOrder:
    """Rules before version 2: a stage's numbers follow from its place among the tables, samples from earlier stages."""

    seed: int
    stages: tuple[str, ...]
    weights: int | None = None

    def stage(self, name: str) -> StageSeeds:
        return _StageByOrder(self.seed, self.stages.index(name))


@frozen
class _StageByOrder:
    seed: int
    number: int

    @property
    def batches(self) -> tuple[int, ...]:
        return self.seed, self.number

    def begin(self, *words: str | int) -> None:
        if words[0] in ("stage", "process"):
            rank = int(words[-1]) if words[0] == "process" else 0
            torch.manual_seed((self.seed * 1_000_003 + self.number + rank * 7_368_787) % 2**64)

    def first(self, sources: Mapping[str, Source], names: Iterable[str], taken: Mapping[str, int]) -> dict[str, int]:
        return {name: taken.get(name, 0) for name in names}
