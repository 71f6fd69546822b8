"""Digests of what an evaluation depends on: pictures, requests and weights."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..contracts import Request
from ..pictures.read import as_picture
from ..sequence.conversation import Draw, Look
from ..sequence.tiles import Tiles

if TYPE_CHECKING:
    from ..inference.api import Model
    from ..sequence.conversation import Content, Picture

_PICTURES = 64
"""The most pictures whose digests are remembered."""


class PictureDigests:
    """Digests of pictures by their content; those of the last pictures are remembered by identity."""

    def __init__(self) -> None:
        self._last: OrderedDict[int, tuple[Picture, str]] = OrderedDict()

    def of(self, picture: Picture) -> str:
        """The digest of a picture. Raises ``PictureError`` where it cannot be read."""
        kept = self._last.get(id(picture))
        if kept is None:
            kept = self._last[id(picture)] = picture, self._computed(picture)
            if len(self._last) > _PICTURES:
                self._last.popitem(last=False)
        return kept[1]

    def _computed(self, picture: Picture) -> str:
        if isinstance(picture, Tiles):
            lines = [[self.of(tile) for tile in line] for line in picture.lines]
            return hashlib.sha256(json.dumps(lines).encode()).hexdigest()
        if isinstance(picture, torch.Tensor):
            data: Any = picture.detach().cpu().contiguous()
            return _digest((str(data.dtype), *data.shape), data.view(torch.uint8).numpy())
        if isinstance(picture, np.ndarray):
            return _digest((str(picture.dtype), *picture.shape), np.ascontiguousarray(picture).view(np.uint8))
        rgb = as_picture(picture)
        return _digest(rgb.size, rgb.tobytes())


def request_digest(request: Request, settings: Mapping[str, Any], pictures: PictureDigests, *, forced: bool) -> str:
    """The digest of everything that an output depends on, except the model.

    ``settings``: those of the sampler, with the model's where the request has none. ``forced``: the digest of a
    held-out loss, which depends on the reference, and neither on the seed nor on the settings.
    """

    def piece(content: Content) -> Any:
        if isinstance(content, Look | Draw):
            shown = None if content.picture is None else pictures.of(content.picture)
            return [type(content).__name__, content.pathway, shown]
        return content

    conversation = request.conversation
    turns = [[turn.role, *map(piece, turn.content)] for turn in conversation.turns]
    content: list[Any] = [request.draws, conversation.system, turns]
    if request.choices and not forced:
        content.append(list(request.choices))
        content += [] if request.choice_loss == "sum" else [request.choice_loss]
    elif not forced:
        content += [request.seed, sorted((name, repr(value)) for name, value in settings.items())]
        content += ["think"] if request.think else []
    elif request.reference is not None:
        reference = request.reference
        content.append(reference if isinstance(reference, str) else [pictures.of(reference)])
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def weights_digest(model: Model) -> str:
    """The digest of a model's file, or of its tensors where they come from no file."""
    if model.digest:
        return model.digest
    digest = hashlib.sha256()
    for name, tensor in sorted(model.model.state_dict().items()):
        data: Any = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {data.dtype} {tuple(data.shape)} ".encode())
        digest.update(data.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _digest(shape: tuple[Any, ...], data: Any) -> str:
    digest = hashlib.sha256(repr(shape).encode())
    digest.update(data)
    return digest.hexdigest()
