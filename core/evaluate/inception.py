"""Inception v3, whose features the Fréchet inception distance compares, with weights from a file.

The weights have the names and shapes of torchvision's ``inception_v3``. Two files exist, and their distances differ:
that of pytorch-fid, ported from TensorFlow, with which published distances are computed, and torchvision's own. They
are told apart by the number of classes (1008 and 1000); the network of the former pools differently in some blocks.

B pictures    C channels
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, relu

from ..errors import StorageError
from ..weights import listed

SIDE = 299
FEATURES = 2048

Pooling = Literal["average", "inside", "max"]
"""Pooling of a block's last branch: the average with or without the padding's zeros, or the maximum."""


def load_inception(path: Path, device: str = "cpu") -> InceptionV3:
    """The network with the weights of a file, in evaluation mode.

    Raises ``StorageError`` where the file is missing, is damaged, or has other tensors.
    """
    if not path.is_file():
        raise StorageError(
            f"the file '{path}' does not exist; expected Inception's weights as of pytorch-fid or torchvision"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: dict[str, Any] = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the libraries raise errors of any type for damaged files
        reason = str(error).strip().partition("\n")[0]
        raise StorageError(f"'{path}' is damaged or not a file of weights: {reason}") from error
    if not isinstance(state, dict) or not isinstance(classes := state.get("fc.weight"), Tensor):
        raise StorageError(
            f"'{path}' has no tensor 'fc.weight', as Inception's weights of pytorch-fid or torchvision have"
        )
    released = {1008: "pytorch-fid", 1000: "torchvision"}
    if len(classes) not in released:
        raise StorageError(
            f"'{path}' is for {len(classes)} classes, expected 1008 as in pytorch-fid or 1000 as in torchvision"
        )
    network = InceptionV3(released[len(classes)])
    weights = {name: tensor for name, tensor in state.items() if not name.startswith(("fc.", "AuxLogits."))}
    expected = network.state_dict()
    counters = {name for name in expected if name.endswith("num_batches_tracked")}
    wrong = [name for name in expected.keys() & weights.keys() if expected[name].shape != weights[name].shape]
    for fault, names in {
        "lacks": expected.keys() - weights.keys() - counters,
        "has unknown tensors": weights.keys() - expected.keys(),
        "has other shapes of": wrong,
    }.items():
        if names:
            raise StorageError(f"'{path}' {fault}: {listed(sorted(names))}")
    network.load_state_dict(weights, strict=False)
    return network.eval().to(device)


class InceptionV3(nn.Module):
    """Pictures [B, 3, 299, 299] of values from −1 to 1 to features [B, 2048], the mean over the last layer's positions.

    ``released``: ``"pytorch-fid"`` or ``"torchvision"``, whose blocks pool differently.
    """

    def __init__(self, released: str) -> None:
        super().__init__()
        self.released = released
        tensorflow = released == "pytorch-fid"
        pool: Pooling = "inside" if tensorflow else "average"
        self.Conv2d_1a_3x3 = _Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = _Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = _Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = _Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = _Conv(80, 192, 3)
        self.Mixed_5b = _BlockA(192, 32, pool)
        self.Mixed_5c = _BlockA(256, 64, pool)
        self.Mixed_5d = _BlockA(288, 64, pool)
        self.Mixed_6a = _BlockB(288)
        self.Mixed_6b = _BlockC(768, 128, pool)
        self.Mixed_6c = _BlockC(768, 160, pool)
        self.Mixed_6d = _BlockC(768, 160, pool)
        self.Mixed_6e = _BlockC(768, 192, pool)
        self.Mixed_7a = _BlockD(768)
        self.Mixed_7b = _BlockE(1280, pool)
        self.Mixed_7c = _BlockE(2048, "max" if tensorflow else "average")

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(pixels)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(max_pool2d(x, 3, stride=2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(max_pool2d(x, 3, stride=2))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        features: Tensor = x.mean((2, 3))
        return features


def network_input(picture_3hw: Tensor) -> Tensor:
    """The input [3, 299, 299] of a picture of values from 0 to 1, resized as by pytorch-fid, without a low-pass."""
    resized: Tensor = interpolate(picture_3hw[None], (SIDE, SIDE), mode="bilinear", align_corners=False)[0]
    return 2 * resized - 1


class _Conv(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], **settings: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, bias=False, **settings)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.bn(self.conv(x)))


def _pooled(x: Tensor, pooling: Pooling) -> Tensor:
    if pooling == "max":
        return max_pool2d(x, 3, stride=1, padding=1)
    return avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=pooling == "average")


class _BlockA(nn.Module):
    def __init__(self, inputs: int, pool_features: int, pooling: Pooling) -> None:
        super().__init__()
        self.pooling: Pooling = pooling
        self.branch1x1 = _Conv(inputs, 64, 1)
        self.branch5x5_1 = _Conv(inputs, 48, 1)
        self.branch5x5_2 = _Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = _Conv(inputs, 64, 1)
        self.branch3x3dbl_2 = _Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = _Conv(96, 96, 3, padding=1)
        self.branch_pool = _Conv(inputs, pool_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat((self.branch1x1(x), five, three, self.branch_pool(_pooled(x, self.pooling))), 1)


class _BlockB(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3 = _Conv(inputs, 384, 3, stride=2)
        self.branch3x3dbl_1 = _Conv(inputs, 64, 1)
        self.branch3x3dbl_2 = _Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = _Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat((self.branch3x3(x), double, max_pool2d(x, 3, stride=2)), 1)


class _BlockC(nn.Module):
    def __init__(self, inputs: int, width: int, pooling: Pooling) -> None:
        super().__init__()
        self.pooling: Pooling = pooling
        row: dict[str, Any] = {"kernel": (1, 7), "padding": (0, 3)}
        column: dict[str, Any] = {"kernel": (7, 1), "padding": (3, 0)}
        self.branch1x1 = _Conv(inputs, 192, 1)
        self.branch7x7_1 = _Conv(inputs, width, 1)
        self.branch7x7_2 = _Conv(width, width, **row)
        self.branch7x7_3 = _Conv(width, 192, **column)
        self.branch7x7dbl_1 = _Conv(inputs, width, 1)
        self.branch7x7dbl_2 = _Conv(width, width, **column)
        self.branch7x7dbl_3 = _Conv(width, width, **row)
        self.branch7x7dbl_4 = _Conv(width, width, **column)
        self.branch7x7dbl_5 = _Conv(width, 192, **row)
        self.branch_pool = _Conv(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat((self.branch1x1(x), seven, double, self.branch_pool(_pooled(x, self.pooling))), 1)


class _BlockD(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3_1 = _Conv(inputs, 192, 1)
        self.branch3x3_2 = _Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = _Conv(inputs, 192, 1)
        self.branch7x7x3_2 = _Conv(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = _Conv(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = _Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat((three, seven, max_pool2d(x, 3, stride=2)), 1)


class _BlockE(nn.Module):
    def __init__(self, inputs: int, pooling: Pooling) -> None:
        super().__init__()
        self.pooling: Pooling = pooling
        row: dict[str, Any] = {"kernel": (1, 3), "padding": (0, 1)}
        column: dict[str, Any] = {"kernel": (3, 1), "padding": (1, 0)}
        self.branch1x1 = _Conv(inputs, 320, 1)
        self.branch3x3_1 = _Conv(inputs, 384, 1)
        self.branch3x3_2a = _Conv(384, 384, **row)
        self.branch3x3_2b = _Conv(384, 384, **column)
        self.branch3x3dbl_1 = _Conv(inputs, 448, 1)
        self.branch3x3dbl_2 = _Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = _Conv(384, 384, **row)
        self.branch3x3dbl_3b = _Conv(384, 384, **column)
        self.branch_pool = _Conv(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        parts = (
            self.branch1x1(x),
            self.branch3x3_2a(three),
            self.branch3x3_2b(three),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.branch_pool(_pooled(x, self.pooling)),
        )
        return torch.cat(parts, 1)
