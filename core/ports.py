"""Ports: the types and sizes of what flows between the parts of a model, without tensors.

A part's config declares its port from its own settings and from the ports it is connected to. Composition follows the
ports through a recipe, so that every width is derived once and a mismatch is found before any weight exists. This
module never imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen


class PortMismatch(ValueError):  # noqa: N818 - named for what it is, as are the ports beside it
    """Two ports that do not fit. The message says what was given and what would fit."""


@frozen
class Grid:
    """Rows and columns of a picture's features or codes, in raster order."""

    height: int
    width: int

    @property
    def size(self) -> int:
        return self.height * self.width

    def __str__(self) -> str:
        return f"{self.height}×{self.width}"


@frozen
class Features:
    """A sequence of vectors for one picture: a tensor [B, tokens, width].

    ``grid`` is None where the vectors have no positions in the picture, as after a resampler with learned queries.
    ``lead`` of the tokens stand before those of the picture's places, such as one that tells the time of a picture that
    is drawn from noise; ``trail`` of them stand behind, where only a head that borrows the embedding reads them.
    """

    tokens: int
    width: int
    grid: Grid | None = None
    lead: int = 0
    trail: int = 0

    def __str__(self) -> str:
        where = f" on {self.grid}" if self.grid else ""
        return f"features [B, {self.tokens}, {self.width}]{where}"


@frozen
class Codes:
    """Discrete codes for one picture: a tensor [B, tokens, depth] of integers below ``vocabulary``.

    ``width`` is the width of one code's vector in the tokenizer's codebook, before any adapter. ``given`` are places of
    the grid with the code that always stands there, such as the ends of lines: it is neither predicted nor decoded, and
    may be one from ``vocabulary`` on, which no other place has. ``scales`` are the grids of a picture that is coded
    several times, from coarse to fine, of which ``grid`` is the last; its codes are those of one scale after the other,
    each in raster order, and a scale is predicted as a whole. Empty where a picture has one grid.
    """

    vocabulary: int
    grid: Grid
    width: int
    depth: int = 1
    given: Mapping[int, int] = field(factory=dict, hash=False)
    scales: tuple[Grid, ...] = ()

    @property
    def tokens(self) -> int:
        return sum(scale.size for scale in self.scales) if self.scales else self.grid.size

    @property
    def predicted(self) -> list[int]:
        """The places whose codes are predicted: all but those that are given."""
        return [place for place in range(self.tokens) if place not in self.given]

    @property
    def every(self) -> int:
        """The number of all codes, those that are only given included."""
        return max([self.vocabulary, *(code + 1 for code in self.given.values())])

    def __str__(self) -> str:
        where = f"{len(self.scales)} scales up to {self.grid}" if self.scales else str(self.grid)
        return f"codes [B, {self.tokens}, {self.depth}] of {self.vocabulary} on {where}"


@frozen
class Latents:
    """Continuous values for one picture: a tensor [B, grid.size, width], in raster order.

    A place is a patch of the tokenizer's latents; the values of a place are in the tokenizer's own order.
    """

    grid: Grid
    width: int

    @property
    def tokens(self) -> int:
        return self.grid.size

    def __str__(self) -> str:
        return f"latents [B, {self.tokens}, {self.width}] on {self.grid}"


CodesOrLatents = Codes | Latents
"""What a pathway draws, and what a tokenizer encodes and decodes."""


@frozen
class Hidden:
    """Input and output of a backbone, a tensor [B, T, width], and the text vocabulary of its embedding and head.

    ``cached``: the values that a backbone with a cache of its own keeps for each position; by default the keys and
    values of all layers. ``state``: those that it keeps for each row whatever its length, as recurrent layers do.
    ``full_blocks``: whether it serves full blocks, in which positions see one another. ``routes``: names of further
    sets of its weights, which pathways choose for their positions.
    """

    width: int
    vocabulary: int
    context: int
    layers: int
    kv_heads: int
    head_width: int
    cached: int | None = None
    state: int = 0
    full_blocks: bool = True
    routes: tuple[str, ...] = ()

    @property
    def cached_values(self) -> int:
        """The values that are cached for each position of a row."""
        return 2 * self.layers * self.kv_heads * self.head_width if self.cached is None else self.cached

    def __str__(self) -> str:
        return f"hidden [B, T, {self.width}]"


@frozen
class Logits:
    """Output of a head: a tensor [..., vocabulary] for each of ``depth`` codes."""

    vocabulary: int
    depth: int = 1

    def __str__(self) -> str:
        return f"logits [B, T, {self.depth}, {self.vocabulary}]"


Prediction = Literal["velocity", "noise", "data", "sample"]
"""What a head predicts of latents x that are drawn from noise ε: x − ε, ε, x; or ``sample``, values of single places
that the head draws by a process of its own."""


@frozen
class Values:
    """Output of a head where latents are drawn: a tensor [n, tokens, width].

    A head of ``sample`` gives the values of single places, [R, width]; see ``PlaceHead``.
    """

    tokens: int
    width: int
    of: Prediction

    def __str__(self) -> str:
        return f"{self.of} [B, {self.tokens}, {self.width}]"


@frozen
class PlaceValues:
    """Output of a head that predicts the latents of single places, from one state each: a tensor [R, width]."""

    width: int

    def __str__(self) -> str:
        return f"values of single places [R, {self.width}]"


Predicted = Logits | Values | PlaceValues
"""What a head gives."""

Port = Features | Codes | Latents | Hidden | Predicted
