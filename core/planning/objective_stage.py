"""Stages whose objective makes batches of its own kind: a step of it is traced on what the objective prepares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from attrs import evolve

from ..compose.plan import Plan
from ..errors import SampleError
from ..measure import flops
from ..model.processor import Processor
from ..recipe import Stage
from ..train.data.mixture import Mixture
from ..train.loop.loop import to_device
from ..untrusted_text import text_of
from .examples import EstimatedText, Examples, stand_in
from .samples import Sample
from .trace import KINDS, Trace, minimised, stage_model, trace

if TYPE_CHECKING:
    from ..contracts import TextTokenizer

TRACED = 64
"""The most samples of a step that is traced whole; what a larger one takes is extrapolated from fewer."""


class UntraceableError(Exception):
    """An objective whose step cannot be traced; the message says why."""


class ObjectiveStage:
    """A stage of any objective, with samples from the beginning of its sources.

    ``divisible``, ``compares_samples``: as the objective declares them. ``own``: values and dimensions of the
    parameters that only the objective has, by name.

    Args:
        text: a fitted text tokenizer; without one, tokens are estimated.

    Raises ``UntraceableError`` where the objective cannot be made, or cannot prepare the samples.
    """

    def __init__(
        self,
        plan: Plan,
        stage: Stage,
        samples: Mapping[str, Sample],
        examples: Examples,
        text: TextTokenizer | None = None,
    ) -> None:
        self.plan, self.stage = plan, stage
        try:
            self.processor = Processor(plan, text=EstimatedText() if text is None else text)
            self._model, self._objective = stage_model(plan, stage, self.processor)
            of_model = {id(parameter) for parameter in self._model.parameters()}
            self._prepared = self._prepare(samples, examples)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin's code may raise anything
            raise _untraceable(stage, error) from error
        self.divisible = self._objective.divisible
        self.compares_samples = self._objective.compares_samples
        self.own = {
            f"objective.{name}": (parameter.numel(), parameter.ndim)
            for name, parameter in self._objective.named_parameters()
            if id(parameter) not in of_model
        }

    def flops(self, count: int) -> float:
        """FLOPs of a step over ``count`` samples.

        A loss may compare every sample with every other, so the FLOPs of the same samples, some times over, are a
        quadratic function of their number, which three traces determine. Raises ``UntraceableError``.
        """
        if count <= TRACED:
            return float(self._flops(count))
        sizes = [len(self._prepared) * times for times in (1, 2, 3)]
        return float(_quadratic(sizes, [self._flops(size) for size in sizes], count))

    def trace(self, count: int, checkpointing: bool | tuple[str, ...]) -> Trace:
        """Memory of a micro-batch of ``count`` samples; that of more than are traced grows linearly.

        Raises ``UntraceableError``.
        """
        if count <= TRACED:
            return self._trace(count, checkpointing)
        size = len(self._prepared)
        half, full = self._trace(size, checkpointing), self._trace(2 * size, checkpointing)
        times = (count - 2 * size) / size

        def grown(small: Mapping[str, int], large: Mapping[str, int]) -> dict[str, int]:
            return {kind: round(large[kind] + times * (large[kind] - small[kind])) for kind in KINDS}

        return Trace(grown(half.whole, full.whole), grown(half.beside, full.beside))

    def _prepare(self, samples: Mapping[str, Sample], examples: Examples) -> list[Any]:
        """The samples of the first step, or the first half of those that are traced, prepared by the objective."""
        count = self.stage.batch if self.stage.batch <= TRACED else TRACED // 2
        prepared = []
        for name, taken in Counter(Mixture(self.stage.mixture).order({}, count)).items():
            measured = samples[name].basis.startswith("measured")
            first = examples.first(name, taken) if measured else None
            for example in first or [stand_in(samples[name], number) for number in range(taken)]:
                try:
                    prepared.append(self._objective.prepare_one(example, _generator(), _ignore))
                except SampleError:
                    continue
        if not prepared:
            raise ValueError("it cannot use any of the first samples")
        return prepared

    def _batch(self, count: int) -> Any:
        repeated = [self._prepared[index % len(self._prepared)] for index in range(count)]
        return self._objective.collate(repeated, _generator())

    @lru_cache  # noqa: B019  # as long-lived as the plan of one recipe
    def _flops(self, count: int) -> int:
        try:
            batch = to_device(self._batch(count), torch.device("meta"))
            return flops.of_step(lambda: minimised(self._objective, batch))
        except KeyboardInterrupt:
            raise
        except BaseException:  # such as autocast, which the meta device does not have
            return self._trace(count, False).flops

    @lru_cache  # noqa: B019
    def _trace(self, count: int, checkpointing: bool | tuple[str, ...]) -> Trace:
        try:
            stage = evolve(self.stage, checkpointing=checkpointing)
            return trace(*stage_model(self.plan, stage, self.processor), stage, self._batch(count))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise _untraceable(self.stage, error) from error


def _untraceable(stage: Stage, error: BaseException) -> UntraceableError:
    message = text_of(error).strip().partition("\n")[0]
    return UntraceableError(
        f"a step of objective {stage.objective.reference} cannot be traced: {type(error).__name__}: {message}"
    )


def _quadratic(sizes: list[int], values: list[int], size: int) -> Fraction:
    """The polynomial through three points at another size, by Lagrange's formula."""
    total = Fraction(0)
    for here, value in zip(sizes, values, strict=True):
        term = Fraction(value)
        for other in sizes:
            term *= Fraction(size - other, here - other) if other != here else 1
        total += term
    return total


def _generator() -> np.random.Generator:
    return np.random.default_rng(0)


def _ignore(kind: str, sentence: str) -> None:
    """Drop a note."""
