"""The contracts of sources and sinks, and of the configs of objectives.

The base class of objectives, which needs torch, is in ``objective.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from ..sequence.conversation import Conversation
    from .showcase import Samples

__all__ = ["Contents", "ObjectiveConfig", "Sink", "SinkConfig", "Source"]


@frozen
class Contents:
    """The contents of a source: its number of samples, and its files in order.

    ``files``: name, relative to the data's folder -> size in ``unit``.
    """

    samples: int
    files: Mapping[str, int]
    unit: str = "bytes"


class Source(Protocol):
    """Kind ``source``: an endless or finite random-access stream of conversations; factory(config) -> Source.

    ``example(index)`` is a pure function of the config and the index, so the position of a source is one integer. It
    raises ``SampleError`` where that one example cannot be used: it is counted, and the next one is used instead. For
    problems of the whole source the factory raises a ``JaniformError``.

    A source that goes through its samples pass after pass has ``length``, the number of examples of a pass: a stage
    begins with a pass of its own, whose number follows from the seed. Without it a stage begins at an index of its
    own, or at 0 where the source is finite.

    A source that reads files may define ``contents() -> Contents``, which a resumed run compares; it must not open
    files.
    """

    def example(self, index: int) -> Conversation: ...


class ObjectiveConfig(Protocol):
    """Kind ``objective``: what a training stage minimises; factory(config, model: UnifiedModel) -> Objective.

    A field ``packed`` says that batches hold sequences: it is the number of positions of a row that holds several
    samples, or 0 where each sample has its own row. ``janiform plan`` computes such a stage from its content; of others
    it traces a step without values, so ``losses`` must not depend on any, as ``item()`` and ``bincount`` do.

    A method ``reads(plan) -> tuple[str, ...]`` gives the paths of the parts whose weights, or whose text tokenizer, the
    objective uses; without it, all of them. Designs that agree in these parts can share a stage that is trained once.

    A method ``pathways() -> Mapping[str, str]`` gives the names of pathways in its settings, with the mode that each
    must have: ``"look"``, ``"draw"``, or ``""`` for any. Composition refuses others.
    """


class SinkConfig(Protocol):
    """Kind ``sink``: a further log of a run's figures; factory(config, folder: Path, recipe: Recipe) -> Sink.

    ``folder`` is the run's. The factory raises ``ComponentError`` where a package or a login is missing.
    """


class Sink(Protocol):
    """Receives what is logged while a run trains. An exception from a method ends the sink, never the run."""

    def entry(self, entry: Mapping[str, Any]) -> None:
        """An entry of the log as it is written: losses by name, rates, and the step of the run as ``total``."""

    def samples(self, samples: Samples, stage: str, total: int) -> None:
        """Samples of the model after ``total`` steps of the run."""

    def close(self) -> None:
        """The run ends, or is stopped."""
