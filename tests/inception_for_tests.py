"""Inception with random weights, in the layouts of released files, and folders of random pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from janiform.evaluate.inception import InceptionV3
from PIL import Image


def random_network() -> InceptionV3:
    torch.manual_seed(0)
    made = InceptionV3("pytorch-fid").eval()
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.uniform_(-0.1, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    return made


def released(network: InceptionV3, classes: int) -> dict[str, torch.Tensor]:
    """The tensors of a released file: with the classifier, and in float16, which takes half the space here."""
    head = {"fc.weight": torch.zeros(classes, 2048), "fc.bias": torch.zeros(classes)}
    return {name: tensor.half() for name, tensor in (network.state_dict() | head).items()}


def write_weights(path: Path, network: InceptionV3, classes: int = 1008) -> Path:
    torch.save(released(network, classes), path)
    return path


def write(folder: Path, count: int, seed: int, side: int = 20, *, grow: bool = True) -> Path:
    """Random pictures, each a pixel wider than the one before."""
    folder.mkdir(parents=True)
    chance = np.random.default_rng(seed)
    for number in range(count):
        pixels = chance.integers(0, 256, (side, side + number * grow, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder
