"""How a model is asked to change a picture, in training and in the benchmark."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from janiform import Look, Turn
from numpy.typing import NDArray


def edit_turn(picture: NDArray[np.uint8], instruction: str, pathways: Sequence[str]) -> Turn:
    """A user turn: the picture through each of the pathways, and the instruction, with nothing between them.

    Two pathways, the features of an encoder and then the codes of a tokenizer, are the dual source of Janus-4o
    (ShareGPT-4o-Image, arXiv:2506.18095): features tell what a picture shows, codes how exactly it looks.
    """
    return Turn("user", (*(Look(picture, pathway) for pathway in pathways), instruction))
