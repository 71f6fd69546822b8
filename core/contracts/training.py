"""What training reads and where its figures go: sources and sinks; and the config of objectives.

``objective.py`` has the base class of objectives, which needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from ..sequence.conversation import Conversation
    from .showcase import Samples


@frozen
class Contents:
    """What a source reads: how many samples, and its files in their order.

    ``files``: name, relative to where the data is -> its size, in ``unit``.
    """

    samples: int
    files: Mapping[str, int]
    unit: str = "bytes"


class Source(Protocol):
    """Kind ``source``: an endless or finite random-access stream of conversations; factory(config) -> Source.

    ``example(index)`` is a pure function of the config and the index, so the position of a source is one integer.
    It raises ``SampleError`` where that one example cannot be used: it is counted, and the next one taken instead. What
    is wrong with the source as a whole is a ``JaniformError`` of the factory.

    One that reads files may have ``contents() -> Contents``, which a run that is resumed compares: it opens no file.
    """

    def example(self, index: int) -> Conversation: ...


class ObjectiveConfig(Protocol):
    """Kind ``objective``: what a training stage minimises; factory(config, model: UnifiedModel) -> Objective.

    A field ``packed`` says that batches hold sequences, so that ``janiform plan`` can plan the stage: it is the number
    of positions of a row that holds several samples, or 0 where each sample has its own row.
    """


class SinkConfig(Protocol):
    """Kind ``sink``: where else the figures of a run go; factory(config, folder: Path, recipe: Recipe) -> Sink.

    ``folder`` is the run's. The factory raises ``ComponentError`` where a package or a login is missing.
    """


class Sink(Protocol):
    """Gets what is logged while a run trains. Whatever a method raises ends the sink, never the run."""

    def entry(self, entry: Mapping[str, Any]) -> None:
        """A line of the log, as it is written: losses by pathway, rates, and the step of the run as ``total``."""

    def samples(self, samples: Samples, stage: str, total: int) -> None:
        """What the model made of a few examples after ``total`` steps of the run."""

    def close(self) -> None:
        """The run ends, or stops."""
