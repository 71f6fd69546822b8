"""The base class of objectives: what a training stage minimises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ..errors import ComponentError, Problem

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..loss import Loss
    from ..sequence.conversation import Conversation
    from .showcase import Samples

Note = Callable[[str, str], None]
"""Called with a kind and a sentence for each thing that is left out of an example that is used."""


class Objective(nn.Module, ABC):
    """A module that makes batches and computes their losses; it may own parts that only training needs, such as a text
    tower or a discriminator. An objective defines ``prepare`` and ``losses``; everything else has a default.

    ``attends``: whether ``losses`` runs the backbone, which then gets an attention kernel. ``divisible``: whether a
    step can be split into micro-batches and among processes; ``counts`` is needed then, ``losses`` must be sums over
    the samples and must run the backbone, and ``prepare_one`` should be defined. ``compares_samples``: whether a loss
    looks at all samples of a step together, so that there are no micro-batches; where several processes share a step,
    ``gather`` returns the rows of all of them. ``measures_tokenizer``: whether ``samples`` tells how good a tokenizer
    is; it is then called with more examples, and at the end of a stage in any case.
    """

    attends: bool = True
    divisible: bool = False
    compares_samples: bool = False
    measures_tokenizer: bool = False

    @abstractmethod
    def prepare(self, examples: Sequence[Conversation], generator: Any) -> Any:
        """Turn conversations into one batch of CPU tensors; runs in a data worker. ``generator``: a numpy Generator."""

    @abstractmethod
    def losses(self, batch: Any) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Return the losses by name, usually that of a pathway, and figures to log."""

    def prepare_one(self, example: Conversation, generator: Any, note: Note) -> Any:
        """Prepare one example with a generator of its own, so that its result does not depend on how a step is split.

        By default the example is left as it is. ``SampleError`` skips the example; ``note(kind, sentence)`` records
        what was left out of one that is used.
        """
        return example

    def collate(self, prepared: Sequence[Any], generator: Any) -> Any:
        """Turn what ``prepare_one`` returned into one batch. By default ``prepare`` is called with all of it."""
        return self.prepare(prepared, generator)

    def counts(self, batch: Any) -> dict[str, int]:
        """Return the count of each loss that ``losses`` will give for a batch, before anything is computed.

        A divisible objective must define it; the default raises ``ComponentError``.
        """
        raise ComponentError(
            Problem(
                f"the objective {type(self).__name__} declares that it is divisible, but does not define counts",
                hint="fix the plugin: define counts(batch), or leave divisible at False",
            )
        )

    def gather(self, rows: Tensor) -> Tensor:
        """Return the rows [n, …] of all processes in order, where several share a step; by default these rows.

        Every process must call it equally often. Gradients of the rows return to the process they come from.
        """
        return rows

    def samples(self, examples: Sequence[Conversation]) -> Samples | Image | None:
        """Show what the model makes of a few conversations; by default nothing."""
        return None
