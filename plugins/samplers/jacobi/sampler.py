"""The sampler ``jacobi``: speculative Jacobi decoding with maximal coupling (arXiv:2510.24211).

Each forward reads a window of drafted codes behind those that are certain. The distribution of every place in the
window becomes known, given the drafts before it, and its draft is coupled to it: it stays wherever it can. The codes up
to the first that did not stay are certain, since all before each of them are; the others are the next drafts.

Exactness. The draft of a place is a sample of some distribution by the place's own random numbers. The distributions of
a place, and the forward in which it becomes certain, depend on the places before it alone. So its final code is a
sample of its distribution given the final codes before it, as in autoregressive drawing.

B pictures    N places    W window    V codes
"""

from __future__ import annotations

from typing import Any

import torch
from janiform import DraftWindow, Sampling, Steps, UsageError, uniforms
from torch import Tensor

from ..autoregressive import codes_steps_of
from ..base import Drawing, GuidedSampler
from .config import JacobiConfig
from .coupling import coupled, sample


class JacobiSampler(GuidedSampler[JacobiConfig]):
    """Codes in raster order, several in each forward; one in each where the backbone has a cache of its own."""

    name = "jacobi"

    def drawing_steps(self, drawing: Drawing[JacobiConfig]) -> Steps[Tensor]:
        model, config = drawing.model, drawing.config
        port = model.plan.pathways[drawing.pathway].codes
        if port is None or port.depth > 1 or port.given:
            raise UsageError(f"'{drawing.pathway}' is not a pathway whose pictures the sampler 'jacobi' draws")
        if hasattr(model.part("backbone"), "new_cache"):
            # States that cannot forget a position, as of a recurrence, cannot read drafts.
            return (yield from codes_steps_of(drawing, config))
        places, most = port.tokens, min(config.window, port.tokens)
        window = DraftWindow(
            model, drawing.prompts, drawing.guidance, places=places, most=most, pathway=drawing.pathway
        )
        pictures = [
            _Picture(places, most, noise)
            for noise in uniforms(len(drawing.prompts), 2 * places * (most + 1), drawing.seeds).T
        ]
        sampling = Sampling(temperature=config.temperature, top_k=config.top_k, top_p=config.top_p)
        head: Any = model.part(f"{drawing.pathway}.head")

        def wanted(states: Tensor) -> Tensor:
            """States [R, T, H] to the probabilities [B, T, V] of the places that they predict."""
            mixed = drawing.guidance.mix(head(states.flatten(0, 1)))
            return sampling.probabilities(mixed).view(len(pictures), -1, mixed.shape[-1]).cpu()

        for picture, first in zip(pictures, wanted(window.first[:, None]), strict=True):
            picture.accept(first)
        while any(picture.certain < places for picture in pictures):
            drawing.report(min(picture.certain for picture in pictures), places, _shown(pictures, model.device))
            yield None
            read = max(picture.readable for picture in pictures)
            states = window.read(_embedded(drawing, pictures, read))
            window.keep([picture.accept(rows) for picture, rows in zip(pictures, wanted(states), strict=True)])
        drawing.report(places, places, _shown(pictures, model.device))
        return _shown(pictures, model.device)


class _Picture:
    """The codes of one picture, on the CPU: certain ones, and drafts with what they are samples of.

    ``noise`` [2·N·(W + 1)]: two numbers for each time that a place is sampled, at most once in each forward in which it
    is in the window.
    """

    def __init__(self, places: int, most: int, noise: Tensor) -> None:
        self.places, self.most = places, most
        self.codes = torch.full((places,), -1)
        self.certain = 0
        self._noise = noise.reshape(places, most + 1, 2)
        self._times = torch.zeros(places, dtype=torch.int64)
        self._drafted = torch.zeros(0)

    @property
    def readable(self) -> int:
        """How many places the next forward reads: the last certain one and the drafts behind it."""
        return 0 if self.certain == self.places else min(self.most, self.places - self.certain)

    def accept(self, wanted: Tensor) -> int:
        """Couple the window to the probabilities [T, V] of the places from the first uncertain one on.

        Returns how many of the places that were read stay.
        """
        if self.certain == self.places:
            return 0
        first, count = self.certain, min(len(wanted), self.places - self.certain)
        wanted = wanted[:count]
        drafts = self.codes[first : first + count - 1]
        uniforms = self._next(first, count)
        chosen = sample(wanted, uniforms[0])
        if len(drafts):
            chosen[:-1] = coupled(drafts, self._drafted[: count - 1], wanted[:-1], uniforms[:, :-1])
        stayed = int((chosen[:-1] == drafts).long().cumprod(0).sum())
        self.codes[first : first + count] = chosen
        self.certain = first + stayed + 1
        self._draft(wanted, stayed + 1)
        return stayed + 1

    def _draft(self, wanted: Tensor, accepted: int) -> None:
        """Drafts behind the certain codes: those of the window, and samples of its last distribution behind it."""
        after = self.certain + len(wanted) - accepted
        fresh = min(self.certain + self.most - 1, self.places) - after
        self._drafted = wanted[accepted:]
        if fresh > 0:
            last = wanted[-1:].expand(fresh, -1)
            self.codes[after : after + fresh] = sample(last, self._next(after, fresh)[0])
            self._drafted = torch.cat((self._drafted, last))

    def _next(self, first: int, count: int) -> Tensor:
        """The next random numbers [2, count] of some places."""
        places = torch.arange(first, first + count)
        numbers = self._noise[places, self._times[places]]
        self._times[places] += 1
        return numbers.T


def _embedded(drawing: Drawing[JacobiConfig], pictures: list[_Picture], read: int) -> Tensor:
    """Vectors [B, T, H] of the last certain code and the drafts of every picture; anything behind its last place."""
    model = drawing.model
    embedding: Any = model.part(f"{drawing.pathway}.embedding")
    adapter: Any = model.part(f"{drawing.pathway}.adapter")
    vectors: list[Tensor] = []
    for picture in pictures:
        start = max(0, min(picture.certain - 1, picture.places - read))
        codes = picture.codes[start : start + read].clamp(min=0).to(model.device)
        own = adapter(embedding(codes[None, :, None], start))
        vectors.append(own.roll(start - picture.certain + 1, dims=1))  # those behind the last place come from before
    return torch.cat(vectors)


def _shown(pictures: list[_Picture], device: torch.device) -> Tensor:
    """The certain codes [B, N, 1], −1 for others."""
    codes = torch.stack([picture.codes for picture in pictures])
    certain = torch.tensor([picture.certain for picture in pictures])
    hidden = torch.arange(codes.shape[1]) >= certain[:, None]
    return codes.masked_fill(hidden, -1)[..., None].to(device)
