"""Sizes of the levels of a convolutional autoencoder, as its config gives them. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen


@frozen
class LevelSize:
    """One level: its width, its number of residual blocks, and whether each of them is followed by attention."""

    width: int
    blocks: int
    attention: bool = False


class Autoencoder(Protocol):
    """What an encoder and a decoder take from the config of a tokenizer."""

    @property
    def channels(self) -> int:
        """Width of the encoder's first convolution."""

    @property
    def latent(self) -> int:
        """Channels that the encoder gives and the decoder takes."""

    @property
    def groups(self) -> int:
        """Groups of the group norms."""

    @property
    def attention(self) -> bool:
        """Whether there is attention in the middle, at the smallest sides."""

    @property
    def encoder_levels(self) -> Sequence[LevelSize]:
        """Levels of the encoder, largest sides first; each has half the sides of the one before."""

    @property
    def decoder_levels(self) -> Sequence[LevelSize]:
        """Levels of the decoder, smallest sides first; each has twice the sides of the one before."""


def encoder_levels(
    channels: int, multipliers: Sequence[int], blocks: int, attended: Sequence[int]
) -> tuple[LevelSize, ...]:
    """Levels of a VQGAN's encoder. ``attended``: the levels with attention, counted from the largest sides."""
    return tuple(LevelSize(channels * times, blocks, index in attended) for index, times in enumerate(multipliers))


def decoder_levels(encoder: Sequence[LevelSize]) -> tuple[LevelSize, ...]:
    """Levels of the decoder that belongs to a VQGAN's encoder: the same in reverse, with one block more per level."""
    return tuple(LevelSize(level.width, level.blocks + 1, level.attention) for level in reversed(encoder))
