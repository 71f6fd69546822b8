"""Directions of pictures and texts by a CLIP model of transformers, from a folder that the user names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..errors import ComponentError, Problem, UsageError
from ..storage.digest import files_digest
from ..storage.json_files import read_json

_AT_ONCE = 32


class ClipEmbedder:
    """A CLIP model with its picture processor and its tokenizer. Nothing is downloaded.

    On a GPU it computes in mixed precision, as GenEval does.

    Raises:
        UsageError: the folder does not hold such a model.
        ComponentError: transformers is not installed.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        self.folder, self.device = Path(folder), device
        config = self.folder / "config.json"
        kind = read_json(config).get("model_type") if config.is_file() else None
        if kind != "clip":
            reason = "has no config.json" if kind is None else f"holds a model of type '{kind}'"
            raise UsageError(f"'{self.folder}' {reason}, expected the folder of a CLIP model of transformers")
        try:
            from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel
        except ImportError as error:
            hint = "install it with: pip install 'janiform[transformers]'"
            message = f"the library transformers cannot be imported: {error}"
            raise ComponentError(Problem(message, hint=hint)) from error
        try:
            self._model: Any = CLIPModel.from_pretrained(self.folder, local_files_only=True).eval().to(device)
            self._processor: Any = AutoImageProcessor.from_pretrained(self.folder, local_files_only=True)
            self._tokenizer: Any = AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
        except Exception as error:  # the library raises errors of any type for files that are missing or damaged
            reason = str(error).strip().partition("\n")[0]
            raise UsageError(f"the CLIP model in '{self.folder}' cannot be read: {reason}") from error

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """What identifies the model: its folder's name, and the digest of its weights."""
        weights = sorted(path for path in self.folder.iterdir() if path.suffix in (".safetensors", ".bin"))
        return {"model": "clip", "folder": self.folder.resolve().name, "weights_sha256": files_digest(weights)}

    def pictures(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Directions of RGB pictures, float32 [n, width] of length 1, on the CPU."""

        def of(some: Sequence[Image.Image]) -> Tensor:
            pixels = self._processor(images=list(some), return_tensors="pt")["pixel_values"].to(self.device)
            directions: Tensor = self._model.visual_projection(self._model.vision_model(pixel_values=pixels)[1])
            return directions

        return self._directions(pictures, of)

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Directions of texts, float32 [n, width] of length 1, on the CPU. Texts are cut at CLIP's 77 tokens."""

        def of(some: Sequence[str]) -> Tensor:
            most = self._model.config.text_config.max_position_embeddings
            inputs = self._tokenizer(
                list(some), padding="max_length", truncation=True, max_length=most, return_tensors="pt"
            ).to(self.device)
            directions: Tensor = self._model.text_projection(self._model.text_model(**inputs)[1])
            return directions

        return self._directions(texts, of)

    def _directions(self, inputs: Sequence[Any], of: Callable[[Sequence[Any]], Tensor]) -> Tensor:
        cuda = torch.device(self.device).type == "cuda"
        parts = []
        with torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=cuda):
            for start in range(0, len(inputs), _AT_ONCE):
                parts.append(torch.nn.functional.normalize(of(inputs[start : start + _AT_ONCE]).float(), dim=-1).cpu())
        return torch.cat(parts) if parts else torch.empty(0, self._model.config.projection_dim)
