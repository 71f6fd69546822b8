"""The Fréchet inception distance (FID) of the pictures in two folders, and how much of it their number explains.

n pictures    d features of a picture
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attrs import frozen
from torch import Tensor

from ..contracts import OnStep, Score
from ..errors import UsageError
from ..storage.digest import files_digest
from .inception import FEATURES, InceptionV3, load_inception, network_input
from .picture_folders import FolderPicture, described_folder, pictures_in

_AT_ONCE = 32


@frozen
class Distance:
    """A distance of two folders of pictures.

    ``bias``: how much of it the number of pictures explains; None for fewer than four pictures in a folder.
    ``drawn``: the record of the pictures; ``settings``: of everything else. Both fit into JSON.
    """

    score: Score
    bias: float | None
    drawn: Mapping[str, Any]
    settings: Mapping[str, Any]


class FeatureStatistics:
    """Mean [d] and covariance [d, d] of features in float64, from batches, so that memory does not grow with n."""

    def __init__(self) -> None:
        self.count = 0
        self._sum: Any = 0.0
        self._products: Any = 0.0
        self._origin: Tensor | None = None
        self._rows: list[Tensor] = []

    def add(self, features_nd: Tensor) -> None:
        """Include the features of some pictures."""
        features = features_nd.double().cpu()
        if self._origin is None:
            # Sums about a typical value lose no digits where means are large compared with their spread.
            self._origin = features.mean(0)
        features = features - self._origin
        self.count += len(features)
        self._sum = self._sum + features.sum(0)
        self._products = self._products + features.T @ features
        self._rows = [*self._rows, features] if self.count <= features.shape[1] else []

    @property
    def mean(self) -> Tensor:
        assert self._origin is not None
        mean: Tensor = self._origin + self._sum / self.count
        return mean

    @property
    def covariance(self) -> Tensor:
        """The unbiased covariance, as NumPy's ``cov``."""
        mean = self._sum / self.count
        covariance: Tensor = (self._products - self.count * torch.outer(mean, mean)) / (self.count - 1)
        return covariance

    @property
    def root(self) -> Tensor:
        """A matrix R [min(n, d), d] with RᵀR = the covariance; for few pictures it takes no eigenvectors."""
        if self._rows:
            root: Tensor = (torch.cat(self._rows) - self._sum / self.count) / (self.count - 1) ** 0.5
            return root
        values, vectors = torch.linalg.eigh(self.covariance)
        scaled: Tensor = vectors * values.clamp(min=0).sqrt()
        return scaled.T


def frechet_distance(first: FeatureStatistics, second: FeatureStatistics) -> float:
    """|m₁ − m₂|² + tr(C₁ + C₂ − 2 (C₁ C₂)^½), the Fréchet distance of two Gaussians (Heusel et al., arXiv:1706.08500).

    The trace of the root is the sum of the roots of the eigenvalues of R C₂ Rᵀ, where RᵀR = C₁, which is symmetric:
    there are no complex parts to drop, and singular covariances, as of fewer pictures than features, need no special
    case.
    """
    few, many = sorted((first, second), key=lambda statistics: statistics.count)
    root = few.root
    product = root @ many.covariance @ root.T
    overlap = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    distance = (first.mean - second.mean).square().sum()
    total = distance + first.covariance.trace() + second.covariance.trace() - 2 * overlap
    return max(0.0, float(total))


class _Gathered:
    """The statistics of a folder's pictures, and of two halves of them."""

    def __init__(self) -> None:
        self.whole = FeatureStatistics()
        self.halves = FeatureStatistics(), FeatureStatistics()

    def add(self, features_nd: Tensor, numbers: Sequence[int]) -> None:
        self.whole.add(features_nd)
        for remainder, half in enumerate(self.halves):
            if rows := [row for row, number in enumerate(numbers) if number % 2 == remainder]:
                half.add(features_nd[rows])


def fid(
    drawn: Path,
    reference: Path,
    weights: Path,
    *,
    grid: int = 1,
    device: str = "cpu",
    on_step: OnStep | None = None,
) -> Distance:
    """The Fréchet inception distance of the pictures in two folders, with subfolders; lower is better.

    ``weights``: Inception's, in the layout of pytorch-fid or of torchvision. ``grid``: rows and
    columns of pictures in each file of ``drawn``.

    The distance of finite sets is too large, by an amount that is about proportional to 1 / n (Chong & Forsyth,
    arXiv:1911.07023), so that halves of both sets are twice as far from the truth: ``bias`` is their mean distance less
    that of the sets. Where a set has fewer pictures than features, it is too small.

    Raises ``UsageError`` for a folder with fewer than two pictures, ``StorageError`` for the weights, and
    ``PictureError`` for a file that is not a picture.
    """
    folders = [pictures_in(drawn, grid), pictures_in(reference)]
    for folder, pictures in zip((drawn, reference), folders, strict=True):
        if len(pictures) < 2:
            raise UsageError(f"'{folder}' holds {len(pictures)} picture; a distance needs two at least")
    network = load_inception(weights, device)
    total, done = sum(map(len, folders)), 0
    gathered = [_Gathered(), _Gathered()]
    for pictures, statistics in zip(folders, gathered, strict=True):
        for start in range(0, len(pictures), _AT_ONCE):
            part = pictures[start : start + _AT_ONCE]
            statistics.add(_features(network, part, device), range(start, start + len(part)))
            done += len(part)
            if on_step is not None:
                on_step(done, total)
    distance = frechet_distance(gathered[0].whole, gathered[1].whole)
    settings = {
        "pictures": len(folders[0]),
        "reference": described_folder(folders[1]),
        "features": FEATURES,
        "inception": network.released,
        "weights_sha256": files_digest([weights]),
    }
    score = Score(distance, len(folders[0]))
    return Distance(score, _bias(distance, *gathered), described_folder(folders[0]), settings)


def _bias(distance: float, first: _Gathered, second: _Gathered) -> float | None:
    pairs = list(zip(first.halves, second.halves, strict=True))
    if any(half.count < 2 for pair in pairs for half in pair):
        return None
    return sum(frechet_distance(*pair) for pair in pairs) / len(pairs) - distance


def _features(network: InceptionV3, pictures: Sequence[FolderPicture], device: str) -> Tensor:
    batch = torch.stack([network_input(_pixels(picture)) for picture in pictures])
    with torch.inference_mode():
        features: Tensor = network(batch.to(device))
    return features


def _pixels(picture: FolderPicture) -> Tensor:
    return torch.from_numpy(np.array(picture.read())).permute(2, 0, 1).float() / 255
