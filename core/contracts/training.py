"""What training reads, minimises and tells: sources, objectives and sinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from torch import Tensor

    from ..loss import Loss
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
    """Kind ``objective``: what a training stage minimises; factory(config, model: UnifiedModel) -> Objective."""


class Objective(Protocol):
    """An ``nn.Module`` (so that it may own parts that only training needs, such as a text tower or a discriminator).

    It may also have ``samples(examples)``: what the model makes of a few conversations, as ``Samples``, a PIL picture,
    or None; and ``attends = False`` where it never runs the backbone, so that no attention kernel is chosen for it. And
    ``prepare_one(example, generator, note)`` with ``join(prepared)``, which together do what ``prepare``
    does: then each example has chance of its own, so that a step may be split among processes, and ``SampleError``
    passes one over. ``note(kind, sentence)`` counts what was left out of one that is used.

    Where a batch's losses are sums over its samples, ``counts(batch) -> dict[str, int]`` says of a prepared batch,
    before anything is computed, the count of each loss that ``losses`` will give: then a step can be divided into
    micro-batches and among processes. ``losses`` must call the backbone then, and ``prepare_one`` is wanted.

    Where a loss looks at all samples of a step, so that there are no micro-batches, and yet processes can share it, the
    objective has ``counts`` and an attribute ``gather``: a function of a tensor [n, …] that gives it back. Where
    several processes share a step it is replaced by one that gives the rows of all of them, in their order, which every
    process must call as often; gradients of the rows come back to the process that they are from.
    """

    def prepare(self, examples: Sequence[Conversation], generator: Any) -> Any:
        """Conversations to one batch of CPU tensors; runs in a data worker. ``generator`` is a numpy Generator."""

    def losses(self, batch: Any) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Losses by pathway, and figures to watch."""


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
