"""Empty pictures as a pathway draws them, to trace the parts of a pathway on the meta device or the CPU.

B pictures    N places of a picture    d depth of a code    C width of latents
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..compose.plan import PathwayShape
from ..guidance import Guidance
from ..ports import Codes
from ..sequence.corruption import Corrupted
from ..sequence.places import PlaceNoise, PlaceSampling

_CORRUPTIONS = 400
"""Corruptions over which the share of hidden places is averaged."""


def empty_drawn(shape: PathwayShape, dtype: torch.dtype = torch.float32, device: str | None = None) -> Tensor:
    """Codes [1, N, d] or latents [1, N, C] of a pathway with a tokenizer."""
    port = shape.drawn
    assert port is not None
    if isinstance(port, Codes):
        return torch.zeros(1, port.tokens, port.depth, dtype=torch.int64, device=device)
    return torch.zeros(1, port.tokens, port.width, dtype=dtype, device=device)


def empty_corrupted(shape: PathwayShape, device: str | None = None) -> Corrupted | None:
    """The corruption of a picture that is drawn as a whole, with everything that its process uses."""
    if shape.process is None or shape.drawn is None:
        return None
    complete = shape.process.complete(shape.drawn.tokens)
    return Corrupted(
        None if complete.time is None else torch.full((1,), complete.time, device=device),
        None if complete.hidden is None else torch.zeros(1, shape.drawn.tokens, dtype=torch.bool, device=device),
        torch.zeros(1, dtype=torch.int64),
    )


def empty_noise(shape: PathwayShape, drawn: Tensor) -> PlaceNoise:
    """Random numbers for the loss of a picture all of whose places are hidden."""
    return PlaceNoise(
        torch.zeros(1, dtype=torch.int64, device="cpu"),
        torch.arange(drawn.shape[1], device=drawn.device),
        drawn.shape[1],
    )


def place_call(shape: PathwayShape, head: Any, states: Tensor, drawn: Tensor) -> Callable[[], Any]:
    """A call by which a ``PlaceHead`` draws one place of a picture, given its states [1, N', H]."""
    corrupted = empty_corrupted(shape, str(drawn.device))
    chance = [torch.Generator().manual_seed(0)]
    sampling = PlaceSampling(Guidance.plain(1.0), chance, 1, device=drawn.device)
    return lambda: head.sample(head(states, drawn, corrupted)[0, :1], sampling)


def predicted_share(shape: PathwayShape) -> float:
    """The share of a picture's places that the head predicts in training, on average over pictures.

    It is 1 but for processes that hide places: Show-o's hides 2/π of them.
    """
    if shape.process is None or shape.drawn is None:
        return 1.0
    chance, shares = np.random.default_rng(0), []
    for _ in range(_CORRUPTIONS):
        hidden = shape.process.corrupt(shape.drawn.tokens, chance).hidden
        shares.append(1.0 if hidden is None else float(np.mean(hidden)))
    return fmean(shares)


def embedding_call(shape: PathwayShape, embedding: Any, drawn: Tensor) -> Callable[[], Any]:
    """A call of a pathway's embedding, as it embeds a picture that is being drawn."""
    corrupted = empty_corrupted(shape, str(drawn.device))
    if shape.mode == "look" or corrupted is None:
        return lambda: embedding(drawn)
    return lambda: embedding(drawn, 0, corrupted)


def head_call(shape: PathwayShape, head: Any, states: Tensor, drawn: Tensor) -> Callable[[], Any]:
    """A call of the loss of a pathway's head for a whole picture, given the states [1, N', H] at its positions.

    Codes that are given are not predicted.
    """
    corrupted = empty_corrupted(shape, str(drawn.device))
    if shape.draws_places and corrupted is not None:
        noise = empty_noise(shape, drawn)
        return lambda: head.loss(head(states, drawn, corrupted)[0], drawn[0], noise)
    if shape.latents is not None and corrupted is not None:
        return lambda: head.loss(states, drawn, corrupted, drawn)
    places, codes = states[0, shape.features.lead :][: drawn.shape[1]], drawn[0]
    if shape.codes is not None and shape.codes.given:
        places, codes = places[: len(shape.codes.predicted)], codes[: len(shape.codes.predicted)]
    return lambda: head.loss(places, codes)
