"""Pictures with captions, from conversations in which pictures are drawn.

B pictures    T tokens of the longest caption    n tokens of all captions
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from attrs import frozen
from janiform import Conversation, Draw
from torch import Tensor

if TYPE_CHECKING:
    from janiform import Processor


@frozen(eq=False)
class Pairs:
    """Pictures with a caption each: pixels [B, 3, h, w]; ids int64 [B, T], 0 where ``present`` [B, T] is false.

    ``positions`` [n]: flat positions of the tokens among the B·T of all rows.
    """

    pixels: Tensor
    ids: Tensor
    present: Tensor
    positions: Tensor

    def to(self, device: torch.device, non_blocking: bool = False) -> Pairs:
        parts = (self.pixels, self.ids, self.present, self.positions)
        return Pairs(*(part.to(device, non_blocking=non_blocking) for part in parts))

    def pin_memory(self) -> Pairs:
        return Pairs(*(part.pin_memory() for part in (self.pixels, self.ids, self.present, self.positions)))


def pairs_of(examples: Sequence[Conversation], processor: Processor, pathway: str, length: int) -> Pairs | None:
    """The captioned pictures of conversations, as a pathway sees them; captions are cut to ``length`` tokens.

    None where there are none.
    """
    pairs = [pair for example in examples for pair in captioned(example)]
    if not pairs:
        return None
    ids = [processor.text.encode(caption)[:length] for caption, _ in pairs]
    longest = max(map(len, ids))
    padded = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
    present = torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in ids])
    pixels = torch.stack([processor.pixels(picture, pathway) for _, picture in pairs])
    return Pairs(pixels, padded, present, present.flatten().nonzero().flatten())


def captioned(conversation: Conversation) -> Iterator[tuple[str, Any]]:
    """Yield each drawn picture with the prompt before it."""
    words = ""
    for turn in conversation.turns:
        if turn.role == "user":
            words = turn.text
        for piece in turn.content:
            if isinstance(piece, Draw) and piece.picture is not None and words:
                yield words, piece.picture
