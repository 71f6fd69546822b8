"""Detectors of transformers that find the objects which texts name: OWL-ViT, OWLv2, Grounding DINO.

They give boxes without masks, and their scores are not those of GenEval's detector: its thresholds 0.3 and 0.9 mean
something else for them, so scores are comparable only with one another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from janiform import load_pretrained, pretrained_facts, pretrained_type
from PIL import Image

from .devices import usable_device
from .interfaces import Detection

TYPES = ("owlvit", "owlv2", "grounding-dino")

LEAST_SCORE = 0.05
"""Objects with lower scores are not reported; the benchmarks' thresholds are higher."""


class ZeroShotDetector:
    """A model of ``TYPES`` with its processor, from its folder. Raises ``UsageError`` where it holds none."""

    def __init__(self, folder: Path, device: str = "auto", least_score: float = LEAST_SCORE) -> None:
        self.folder, self.device, self._least = folder, usable_device(device), least_score
        self._kind = pretrained_type(folder, "detector 'zero-shot'", TYPES)
        self.model = load_pretrained("AutoModelForZeroShotObjectDetection", folder, self.device)
        self.processor = load_pretrained("AutoProcessor", folder, self.device)

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        return pretrained_facts(self.folder, self._kind, self.device)

    def unknown(self, classes: Sequence[str]) -> Sequence[str]:
        return ()

    def detect(self, picture: Image.Image, classes: Sequence[str]) -> Mapping[str, Sequence[Detection]]:
        return {name: self._objects(picture, name) for name in classes}

    def _objects(self, picture: Image.Image, name: str) -> list[Detection]:
        """The objects that one text names: each class is a call, so that classes do not compete."""
        if self._kind == "grounding-dino":  # its texts are lower-case and end with a full stop
            inputs = self.processor(images=picture, text=f"{name.lower()}.", return_tensors="pt").to(self.device)
        else:
            inputs = self.processor(text=[[f"a photo of a {name}"]], images=picture, return_tensors="pt").to(
                self.device
            )
        with torch.inference_mode():
            outputs = self.model(**inputs)
        post_process = self.processor.post_process_grounded_object_detection
        sizes = [(picture.height, picture.width)]
        if self._kind == "grounding-dino":
            results = post_process(
                outputs, inputs.input_ids, threshold=self._least, text_threshold=self._least, target_sizes=sizes
            )
        else:
            results = post_process(outputs, threshold=self._least, target_sizes=sizes)
        boxes, scores = results[0]["boxes"].tolist(), results[0]["scores"].tolist()
        return [Detection((a, b, c, d), score) for (a, b, c, d), score in zip(boxes, scores, strict=True)]
