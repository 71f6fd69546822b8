"""``generate --like``: what is redrawn, what has changed since, and whether the result is the same picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from attrs import field, frozen

from .. import __version__
from ..attention.kernels import choose
from ..components.kernels import DEFAULT
from ..contracts.kernels import AttentionRequest
from ..errors import JaniformError, Problem, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..inference.api import Model
    from ..pictures.provenance import Provenance

_DEVICES = ("cpu", "cuda", "mps", "xpu")


@frozen
class DrawingRequest:
    """What the command line asks to draw; None where an option was not given."""

    prompt: str | None = None
    n: int | None = None
    seed: int | None = None
    pathway: str | None = None
    settings: Mapping[str, Any] = field(factory=dict)
    """Settings of the sampler that were given, by name."""
    think: bool | str = False
    """Whether the model writes before it draws; a text is what it wrote."""

    @property
    def empty(self) -> bool:
        """Whether no option was given."""
        return self == DrawingRequest()

    def completed(self, provenance: Provenance) -> DrawingRequest:
        """The request with everything that was not given as in the provenance, except settings of the sampler."""
        return attrs.evolve(
            self,
            prompt=provenance.prompt if self.prompt is None else self.prompt,
            n=provenance.count if self.n is None else self.n,
            seed=provenance.seed if self.seed is None else self.seed,
            pathway=provenance.pathway if self.pathway is None else self.pathway,
            think=self.think or (provenance.thought if self.prompt is None else False),
        )

    def with_settings(self, provenance: Provenance, own: Mapping[str, Any]) -> tuple[DrawingRequest, list[str]]:
        """The request with the settings of the provenance that differ from the model's ``own``.

        Also a sentence for each setting that the model's sampler does not have. Raises ``UsageError`` for one without a
        value.
        """
        recorded = {name: value for name, value in provenance.settings.items() if name not in self.settings}
        if empty := [name for name, value in recorded.items() if value is None and own.get(name) is not None]:
            expected = {name: "a number" if isinstance(own[name], int | float) else "set" for name in empty}
            raise UsageError([Problem(f"the picture's metadata: {name} must be {expected[name]}") for name in empty])
        changed = {name: value for name, value in recorded.items() if name in own and own[name] != value}
        notes = [
            f"the model's sampler has no setting '{name}', which was {value}"
            for name, value in recorded.items()
            if name not in own
        ]
        return attrs.evolve(self, settings={**changed, **self.settings}), notes


def check_sources(provenance: Provenance, sources: Sequence[Image]) -> None:
    """Raise ``UsageError`` unless the pictures are those that the picture was drawn from, in their order."""
    from ..pictures.provenance import pixels_digest

    if provenance.turns > 1:
        raise UsageError(
            f"the picture was drawn in a conversation of {provenance.turns} turns, of which only the last is recorded"
        )
    given, recorded = [pixels_digest(picture) for picture in sources], list(provenance.sources)
    if given == recorded:
        return
    if not recorded:
        raise UsageError("the picture was drawn from a text alone: leave --image out, or --like")
    if len(given) != len(recorded):
        count = f"{len(recorded)} picture{'s' if len(recorded) > 1 else ''}"
        raise UsageError(
            Problem(f"the picture was drawn from {count}; {len(given)} are given", hint="give each with --image")
        )
    different = next(index for index in range(len(given)) if given[index] != recorded[index])
    raise UsageError(f"picture {different + 1} of --image is not the one that the picture was drawn from")


def device_of(provenance: Provenance) -> tuple[str, list[str]]:
    """The device of the type that a picture was drawn on, or the CPU with a note where there is none."""
    import torch

    if provenance.device in _DEVICES:
        try:
            torch.empty(0, device=provenance.device)
            return provenance.device, []
        except (RuntimeError, AssertionError):
            pass
    return "cpu", [f"the picture was drawn on '{provenance.device}', which is not available; drawing on the cpu"]


def kernel_of(provenance: Provenance, load_settings: Mapping[str, Any]) -> str:
    """The attention kernel that drew a picture, where it serves the model as it is loaded; else the default one."""
    if not provenance.attention:
        return DEFAULT
    request = AttentionRequest(device=load_settings["device"], dtype=load_settings["dtype"] or "float32", cached=True)
    try:
        return choose(provenance.attention, request).component.reference
    except JaniformError:  # ``changes`` reports the kernel that is used instead
        return DEFAULT


def recorded_sampler(provenance: Provenance, model: str) -> str | None:
    """The sampler that drew a picture, where it is not the model's own but suits it; None for the model's own."""
    from ..compose.other_sampler import compose_with_sampler
    from ..recipe import Use
    from ..storage.contents import recipe_of
    from ..storage.locate import model_folder

    if not provenance.sampler:
        return None
    recipe, _ = recipe_of(str(model_folder(model)))
    pathway = recipe.pathways.get(provenance.pathway)
    own = pathway.parts.get("sampler") if pathway else None
    if isinstance(own, Use) and own.component.reference == provenance.sampler:
        return None
    try:
        compose_with_sampler(recipe, provenance.sampler)
    except JaniformError:  # ``changes`` reports the sampler that is used instead
        return None
    return provenance.sampler


def changes(provenance: Provenance, model: Model, pathway: str) -> list[str]:
    """A sentence for everything that differs from when a picture was drawn, except the prompt and the settings."""
    import torch

    now = model.provenance("", 0, {}, pathway=pathway)
    notes = []
    if not provenance.weights_sha256 or not now.weights_sha256:
        notes.append("the weights cannot be compared with those that drew the picture: one of them has no digest")
    elif provenance.weights_sha256 != now.weights_sha256:
        was, of = provenance.weights_sha256[:12], provenance.recipe
        notes.append(
            f"the picture was drawn with other weights: {was}… of '{of}'; these are {now.weights_sha256[:12]}… "
            f"of '{now.recipe}'"
        )
    for what, before, today in (
        ("janiform", provenance.janiform, __version__),
        ("torch", provenance.torch, torch.__version__),
        ("dtype", provenance.dtype, now.dtype),
        ("quantisation", provenance.quantize or "none", now.quantize or "none"),
        ("attention", provenance.attention or now.attention, now.attention),
        ("sampler", provenance.sampler or now.sampler, now.sampler),
        ("device", provenance.device, now.device),
    ):
        if before != today:
            notes.append(f"{what} was {before} and is {today} now")
    return notes


def compared(before: Image, after: Image) -> tuple[bool, str]:
    """Whether two pictures are the same, pixel for pixel, and a sentence about it."""
    if before.size != after.size:
        sizes = f"{after.width}×{after.height} pixels, where it had {before.width}×{before.height}"
        return False, f"another picture: {sizes}"
    different = np.any(np.asarray(before) != np.asarray(after), axis=-1)
    if not different.any():
        return True, "the same picture, pixel for pixel"
    return False, f"not the same picture: {different.sum():,} of {different.size:,} pixels differ"
