"""Instance segmentation by Mask2Former with the resizing and the scores of mmdet 2.x, whose detections GenEval judges.

Q queries    C classes    h, w size of the picture    H, W size of the network's input
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from janiform import UsageError, load_pretrained, pretrained_facts, pretrained_type
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, pad

from .coco import CLASSES
from .devices import usable_device
from .interfaces import Detection

MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
SHORT_SIDE, LONG_SIDE = 800, 1333
DIVISOR, PADDING = 32, 128.0
MOST = 100
"""The most pairs of a query and a class that are kept, those with the highest probabilities."""


class Mask2FormerDetector:
    """A ``Mask2FormerForUniversalSegmentation`` of COCO's 80 classes of instances, from its folder.

    ``limits`` are the bounds of the short and the long side of the network's input.

    Raises ``UsageError`` where the folder does not hold such a model.
    """

    def __init__(self, folder: Path, device: str = "auto", limits: tuple[int, int] = (SHORT_SIDE, LONG_SIDE)) -> None:
        self.folder, self.device, self.limits = folder, usable_device(device), limits
        kind = pretrained_type(folder, "detector 'mask2former'", ("mask2former",))
        self.model = load_pretrained("Mask2FormerForUniversalSegmentation", folder, self.device)
        self._kind = kind
        labels = [str(name) for _, name in sorted(self.model.config.id2label.items())]
        if len(labels) != len(CLASSES) or labels[0] != CLASSES[0] or labels[-1] != CLASSES[-1]:
            raise UsageError(
                f"the detector in '{folder}' has {len(labels)} classes from '{labels[0]}' to '{labels[-1]}', expected "
                f"COCO's {len(CLASSES)} classes of instances from '{CLASSES[0]}' to '{CLASSES[-1]}'"
            )

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        return pretrained_facts(self.folder, self._kind, self.device)

    def unknown(self, classes: Sequence[str]) -> Sequence[str]:
        return [name for name in classes if name not in CLASSES]

    def detect(self, picture: Image.Image, classes: Sequence[str]) -> Mapping[str, Sequence[Detection]]:
        pixels, (height, width) = network_input(picture, self.limits)
        with torch.inference_mode():
            outputs = self.model(pixel_values=pixels.to(self.device))
        masks = interpolate(outputs.masks_queries_logits.float(), pixels.shape[-2:], mode="bilinear")
        masks = interpolate(masks[..., :height, :width], (picture.height, picture.width), mode="bilinear")
        return instances(outputs.class_queries_logits[0].float(), masks[0], classes)


def network_input(picture: Image.Image, limits: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
    """The picture as [1, 3, H, W], and the height and width of its part that is not padding.

    It is resized with its aspect ratio within the limits of the short and the long side, padded with grey at the right
    and at the bottom to multiples of 32, and normalised.
    """
    short, long = limits
    scale = min(long / max(picture.size), short / min(picture.size))
    size = (max(1, int(picture.height * scale + 0.5)), max(1, int(picture.width * scale + 0.5)))
    pixels = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)[None].float()
    # OpenCV, which mmdet resizes with, does not low-pass a picture that it makes smaller, and gives whole numbers.
    pixels = interpolate(pixels, size, mode="bilinear", antialias=False).round().clamp(0, 255)
    pixels = pad(pixels, (0, -size[1] % DIVISOR, 0, -size[0] % DIVISOR), value=PADDING)
    mean, deviation = (torch.tensor(values)[None, :, None, None] for values in (MEAN, DEVIATION))
    return (pixels - mean) / deviation, size


def instances(classes: Tensor, masks: Tensor, names: Sequence[str]) -> dict[str, list[Detection]]:
    """The objects of the named classes, from logits of classes [Q, C + 1], the last for none, and of masks [Q, h, w].

    The score is the probability of the class times the mean probability of the pixels in the mask; the box is the tight
    one of the mask.
    """
    probabilities = classes.softmax(-1)[:, :-1]
    count = probabilities.shape[1]
    chosen = probabilities.flatten().topk(min(MOST, probabilities.numel()))
    objects: dict[str, list[Detection]] = {name: [] for name in names}
    for probability, index in zip(chosen.values.tolist(), chosen.indices.tolist(), strict=True):
        name = CLASSES[index % count]
        if name not in objects:
            continue
        logits = masks[index // count]
        inside = logits > 0
        certainty = float((logits.sigmoid() * inside).sum() / (inside.sum() + 1e-6))
        objects[name].append(Detection(tight_box(inside), probability * certainty, inside.cpu().numpy()))
    return objects


def tight_box(mask_hw: Tensor) -> tuple[float, float, float, float]:
    """The box of a mask; right and bottom are the first column and row after it. Zeros for an empty mask."""
    columns, rows = mask_hw.any(0).nonzero(), mask_hw.any(1).nonzero()
    if not len(columns):
        return 0.0, 0.0, 0.0, 0.0
    return float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1
