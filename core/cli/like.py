"""``generate --like``: what is drawn again, what has changed since, and whether the same picture came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from attrs import field, frozen

from .. import __version__
from ..attention.kernels import choose
from ..components.kernels import DEFAULT
from ..contracts.kernels import AttentionRequest
from ..errors import JaniformError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..inference.api import Model
    from ..pictures import Making

_DEVICES = ("cpu", "cuda", "mps", "xpu")


@frozen
class Order:
    """What is to be drawn; what is None was not said."""

    prompt: str | None = None
    n: int | None = None
    seed: int | None = None
    pathway: str | None = None
    settings: Mapping[str, Any] = field(factory=dict)
    """Of the sampler, by name; those that were said."""

    @property
    def empty(self) -> bool:
        return self == Order()

    def like(self, made: Making) -> Order:
        """What was not said as it was when a picture was made, but for the settings, which hang on the model."""
        return attrs.evolve(
            self,
            prompt=made.prompt if self.prompt is None else self.prompt,
            n=made.count if self.n is None else self.n,
            seed=made.seed if self.seed is None else self.seed,
            pathway=made.pathway if self.pathway is None else self.pathway,
        )

    def with_settings(self, made: Making, own: Mapping[str, Any]) -> tuple[Order, list[str]]:
        """With the settings of a picture, where the model's ``own`` are others; and a sentence on each that it lacks.

        Raises ``UsageError`` for one that is of another kind than the model's.
        """
        again: dict[str, Any] = {}
        notes = []
        for name, value in made.settings.items():
            if name in self.settings or (name in own and own[name] == value):
                continue
            if name not in own:
                notes.append(f"the model's sampler has no setting '{name}', which was {value}")
            elif name not in ("guidance", "temperature", "top_k"):
                notes.append(f"the model's setting '{name}' is {own[name]}; it was {value}")
            elif not _alike(value, own[name]):
                raise UsageError(f"the picture says that '{name}' was {value!r}, which it cannot be")
            else:
                again[name] = value
        return attrs.evolve(self, settings={**again, **self.settings}), notes


def place_of(made: Making) -> tuple[str, list[str]]:
    """The device to draw on as a picture was drawn, and what is to be said where there is none of its kind."""
    import torch

    if made.device in _DEVICES:
        try:
            torch.empty(0, device=made.device)
            return made.device, []
        except (RuntimeError, AssertionError):
            pass
    return "cpu", [f"the picture was drawn on '{made.device}', which is not here; drawing on the cpu"]


def kernel_of(made: Making, how: Mapping[str, Any]) -> str:
    """The attention kernel to draw a picture again with: its own, where that serves how the model is loaded."""
    if not made.attention:
        return DEFAULT
    asked = AttentionRequest(device=how["device"], dtype=how["dtype"] or "float32", cached=True)
    try:
        return choose(made.attention, asked).component.reference
    except JaniformError:  # what is used instead is said with all else that is no longer as it was
        return DEFAULT


def changes(made: Making, model: Model) -> list[str]:
    """What is no longer as it was when a picture was made, each in a sentence; the prompt and the settings aside."""
    import torch

    now = model.making("", 0, {}, pathway=None)
    notes = []
    if not made.weights_sha256 or not now.weights_sha256:
        notes.append("whether the picture was drawn with these weights cannot be told: there is no digest to compare")
    elif made.weights_sha256 != now.weights_sha256:
        was, of = made.weights_sha256[:12], made.recipe
        notes.append(
            f"the picture was drawn with other weights: {was}… of '{of}'; these are {now.weights_sha256[:12]}… "
            f"of '{now.recipe}'"
        )
    for what, then, today in (
        ("janiform", made.janiform, __version__),
        ("torch", made.torch, torch.__version__),
        ("dtype", made.dtype, now.dtype),
        ("quantisation", made.quantize or "none", now.quantize or "none"),
        ("attention", made.attention or now.attention, now.attention),
        ("device", made.device, now.device),
    ):
        if then != today:
            notes.append(f"{what} was {then} and is {today} now")
    return notes


def compared(before: Image, after: Image) -> tuple[bool, str]:
    """Whether two pictures are the same, pixel for pixel, and how they are told apart."""
    if before.size != after.size:
        return (
            False,
            f"another picture: {after.width}×{after.height} pixels, where it had {before.width}×{before.height}",
        )
    apart = np.any(np.asarray(before) != np.asarray(after), axis=-1)
    if not apart.any():
        return True, "the same picture, pixel for pixel"
    return False, f"not the same picture: {apart.sum():,} of {apart.size:,} pixels differ"


def _alike(value: Any, own: Any) -> bool:
    """Whether a value can stand where the model's own stands: whole numbers for such, numbers for numbers."""
    whole = type(value) is int
    return whole if type(own) is int else whole or type(value) is float
