"""Directions of pictures and texts by a CLIP model of transformers, from a folder that the user names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from .pretrained import load_pretrained, pretrained_facts, pretrained_type

_AT_ONCE = 32


class ClipEmbedder:
    """A CLIP model with its picture processor and its tokenizer. Nothing is downloaded.

    ``mixed``: compute directions of pictures in mixed precision on a GPU, as GenEval does.

    Raises:
        UsageError: the folder does not hold such a model.
        ComponentError: transformers is not installed.
    """

    def __init__(self, folder: Path, device: str = "cpu", *, mixed: bool = False) -> None:
        self.folder, self.device = Path(folder), device
        self._mixed = mixed and torch.device(device).type == "cuda"
        pretrained_type(self.folder, "CLIP model", ("clip",))
        self._model: Any = load_pretrained("CLIPModel", self.folder, device)
        # Pillow resizes pictures as for CLIP's training; the processor that uses torchvision differs in digits.
        self._processor: Any = load_pretrained(("CLIPImageProcessorPil", "CLIPImageProcessor"), self.folder, device)
        self._tokenizer: Any = load_pretrained("AutoTokenizer", self.folder, device)

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """What identifies the model: its folder's name, and the digest of its weights."""
        return pretrained_facts(self.folder, "clip", self.device)

    def pictures(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Directions of RGB pictures, float32 [n, width] of length 1, on the CPU."""

        def of(some: Sequence[Image.Image]) -> Tensor:
            pixels = self._processor(images=list(some), return_tensors="pt")["pixel_values"].to(self.device)
            directions: Tensor = self._model.visual_projection(self._model.vision_model(pixel_values=pixels)[1])
            return directions

        with torch.autocast("cuda", torch.float16, enabled=self._mixed):
            return self._directions(pictures, of)

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Directions of texts, float32 [n, width] of length 1, on the CPU. Texts are cut at CLIP's 77 tokens."""

        def of(some: Sequence[str]) -> Tensor:
            inputs = self._tokenizer(
                list(some), padding="max_length", truncation=True, max_length=self._most, return_tensors="pt"
            ).to(self.device)
            directions: Tensor = self._model.text_projection(self._model.text_model(**inputs)[1])
            return directions

        return self._directions(texts, of)

    def cut(self, texts: Sequence[str]) -> int:
        """The number of texts that are longer than CLIP's 77 tokens."""
        return sum(len(self._tokenizer(text, truncation=False)["input_ids"]) > self._most for text in texts)

    @property
    def _most(self) -> int:
        return int(self._model.config.text_config.max_position_embeddings)

    def _directions(self, inputs: Sequence[Any], of: Callable[[Sequence[Any]], Tensor]) -> Tensor:
        parts = []
        with torch.inference_mode():
            for start in range(0, len(inputs), _AT_ONCE):
                parts.append(torch.nn.functional.normalize(of(inputs[start : start + _AT_ONCE]).float(), dim=-1).cpu())
        return torch.cat(parts) if parts else torch.empty(0, self._model.config.projection_dim)
