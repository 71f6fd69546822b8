"""What a generation asks of the engine: to read prompts, and to read one more position of each of its rows.

A generation is a Python generator. It yields ``Prefill``, then one ``Decode`` per position, and receives what its
``project`` makes of the hidden states of its rows each time. What it returns is its result. So one loop runs a single
generation (``run_steps``) or many at once (``RunningBatch``), whose rows share one forward per step, and each of them
reads as if it were alone. A generation that reads whole pictures by itself yields None between two steps.

R rows of a generation    H hidden width
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from attrs import frozen
from torch import Tensor

from ...sequence.spans import Sequence as SpanSequence

if TYPE_CHECKING:
    from .prefix_cache import PrefixCache

T = TypeVar("T")

Project = Callable[[Tensor], Tensor]
"""Hidden states [R, H] to what a generation needs of them, row by row, such as logits [R, V].

Generations whose ``project`` is equal have their rows projected together, so that weights are read once for all.
"""


@frozen(eq=False)
class Prefill:
    """Read R prompts, which at most ``more`` positions follow.

    ``route``: the backbone's set of weights of what follows; 0 is that of the text. ``prefix`` keeps what is read of
    the conversation that the only prompt belongs to.
    """

    prompts: Sequence[SpanSequence]
    more: int
    project: Project | None = None
    route: int = 0
    prefix: PrefixCache | None = None


@frozen(eq=False)
class Decode:
    """Read one more position of the rows that go on, with embeddings [R, 1, H].

    ``keep``: which of the rows of the last step go on, in their order; None is all of them.
    """

    embeddings: Tensor
    project: Project | None = None
    keep: Sequence[int] | None = None


Steps: TypeAlias = Generator[Prefill | Decode | None, Tensor, T]
"""A generation, and what it returns. It receives a tensor for ``Prefill`` and ``Decode``, and nothing else for None."""
