"""Colours of objects by CLIP: the colour whose captions are nearest to the picture, as GenEval names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from janiform import ClipEmbedder
from PIL import Image
from torch import Tensor

from .devices import usable_device

TEMPLATES = ("a photo of a {colour} {noun}", "a photo of a {colour}-colored {noun}", "a photo of a {colour} object")


class ClipColours:
    """A CLIP model from its folder; GenEval uses ViT-L/14 of OpenAI. Raises ``UsageError`` where it holds none."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        self.clip = ClipEmbedder(folder, usable_device(device), mixed=True)
        self._captions: dict[tuple[str, tuple[str, ...]], Tensor] = {}

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.clip.settings

    def colours(self, crops: Sequence[Image.Image], noun: str, names: Sequence[str]) -> Sequence[str]:
        if not crops:
            return ()
        similarities = self.clip.pictures(crops) @ self._of_captions(noun, tuple(names)).T
        return [names[index] for index in similarities.argmax(-1).tolist()]

    def _of_captions(self, noun: str, names: tuple[str, ...]) -> Tensor:
        """A direction for each colour: the mean of those of its captions."""
        if (noun, names) not in self._captions:
            texts = [template.format(colour=colour, noun=noun) for colour in names for template in TEMPLATES]
            means = self.clip.texts(texts).view(len(names), len(TEMPLATES), -1).mean(1)
            self._captions[noun, names] = torch.nn.functional.normalize(means, dim=-1)
        return self._captions[noun, names]
