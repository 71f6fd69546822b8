"""Scores of folders of pictures: the Fréchet inception distance (FID) and the CLIP score.

n pictures    d features of a picture
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from attrs import frozen
from PIL.Image import Image
from torch import Tensor

from ..contracts import Item, OnStep, Score
from ..errors import Problem, UsageError
from ..pictures.read import read_picture
from ..storage.digest import files_digest
from ..storage.json_files import MAX_LINE_BYTES, read_bounded
from .inception import FEATURES, load_inception, network_input
from .intervals import mean_score

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""The files of a folder that are its pictures."""

_AT_ONCE = 32


class Embedder(Protocol):
    """Directions of pictures and texts in one space, of length 1; see ``ClipEmbedder``."""

    @property
    def settings(self) -> Mapping[str, Any]: ...

    def pictures(self, pictures: Sequence[Image]) -> Tensor: ...

    def texts(self, texts: Sequence[str]) -> Tensor: ...


@frozen
class FolderScore:
    """A score of two folders. ``settings``, which fit into JSON, are what it was computed from and with."""

    score: Score
    settings: Mapping[str, Any]


class FeatureStatistics:
    """Mean [d] and covariance [d, d] of features in float64, from batches, so that memory does not grow with n."""

    def __init__(self) -> None:
        self.count = 0
        self._sum: Any = 0.0
        self._products: Any = 0.0
        self._origin: Tensor | None = None

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


def frechet_distance(first: FeatureStatistics, second: FeatureStatistics) -> float:
    """|m₁ − m₂|² + tr(C₁ + C₂ − 2 (C₁ C₂)^½), the Fréchet distance of two Gaussians (Heusel et al., arXiv:1706.08500).

    The trace of the root is the sum of the roots of the eigenvalues of C₁^½ C₂ C₁^½, which is symmetric: there are no
    complex parts to drop, and singular covariances, as of fewer pictures than features, need no special case.
    """
    values, vectors = torch.linalg.eigh(first.covariance)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    product = root @ second.covariance @ root
    overlap = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    distance = (first.mean - second.mean).square().sum()
    total = distance + first.covariance.trace() + second.covariance.trace() - 2 * overlap
    return max(0.0, float(total))


def fid(first: Path, second: Path, weights: Path, *, device: str = "cpu", on_step: OnStep | None = None) -> FolderScore:
    """The Fréchet inception distance of the pictures in two folders, with subfolders; lower is better.

    ``weights``: Inception's, in the layout of pytorch-fid or of torchvision. The distance depends on the number of
    pictures, and is only comparable where it is the same; published ones mostly use 10,000 to 50,000.

    Raises ``UsageError`` for a folder with fewer than two pictures, ``StorageError`` for the weights, and
    ``PictureError`` for a file that is not a picture.
    """
    folders = [pictures_in(folder) for folder in (first, second)]
    for folder, files in zip((first, second), folders, strict=True):
        if len(files) < 2:
            raise UsageError(f"'{folder}' holds {len(files)} pictures; a distance needs two at least")
    network = load_inception(weights, device)
    total = sum(map(len, folders))
    done = 0
    statistics = [FeatureStatistics(), FeatureStatistics()]
    for files, gathered in zip(folders, statistics, strict=True):
        for start in range(0, len(files), _AT_ONCE):
            batch = torch.stack([network_input(_pixels(file)) for file in files[start : start + _AT_ONCE]])
            with torch.inference_mode():
                gathered.add(network(batch.to(device)))
            done += len(batch)
            if on_step is not None:
                on_step(done, total)
    settings = {
        "metric": "fid",
        "pictures": [len(files) for files in folders],
        "features": FEATURES,
        "inception": network.released,
        "weights_sha256": files_digest([weights]),
    }
    return FolderScore(Score(frechet_distance(*statistics), total), settings)


def clip_score(pictures: Path, others: Path, embedder: Embedder, *, on_step: OnStep | None = None) -> FolderScore:
    """The CLIP score: the mean of 100 · max(0, cosine) over pairs of a picture and its text, or its other picture.

    ``others`` is a folder of pictures, or of texts in ``.txt`` files, with the same names without their extensions.
    CLIPScore (arXiv:2104.08718) is 2.5 · max(0, cosine), which is this score / 40. The interval treats pictures as
    independent.

    Raises ``UsageError`` where names differ, and ``PictureError`` for a file that is not a picture.
    """
    chosen = _by_name(pictures, pictures_in(pictures))
    texts = _by_name(others, sorted(others.rglob("*.txt"))) if others.is_dir() else {}
    partners = texts or _by_name(others, pictures_in(others))
    _check_same_names(pictures, chosen, others, partners)
    items: list[Item] = []
    names = sorted(chosen)
    for start in range(0, len(names), _AT_ONCE):
        part = names[start : start + _AT_ONCE]
        directions = embedder.pictures([read_picture(chosen[name]) for name in part])
        if texts:
            other = embedder.texts([_text(texts[name]) for name in part])
        else:
            other = embedder.pictures([read_picture(partners[name]) for name in part])
        cosines = (directions * other).sum(-1).clamp(0, 1).double().tolist()
        items += [Item("clip", name, name, 100 * cosine) for name, cosine in zip(part, cosines, strict=True)]
        if on_step is not None:
            on_step(len(items), len(names))
    compared = "texts" if texts else "pictures"
    settings = {"metric": "clip", "pairs": len(names), "compared_with": compared, **embedder.settings}
    return FolderScore(mean_score(items), settings)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder and its subfolders, by their paths. Raises ``UsageError`` where there are none."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder '{folder}'")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise UsageError(f"'{folder}' holds no pictures: no files with {', '.join(SUFFIXES)}")
    return files


def _pixels(file: Path) -> Tensor:
    return torch.from_numpy(np.array(read_picture(file))).permute(2, 0, 1).float() / 255


def _text(file: Path) -> str:
    try:
        return read_bounded(file, MAX_LINE_BYTES).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"'{file}' is not a text in UTF-8: {error}") from None


def _by_name(folder: Path, files: Iterable[Path]) -> dict[str, Path]:
    """Files by their paths in the folder without extensions. Raises ``UsageError`` where two have the same."""
    named: dict[str, Path] = {}
    for file in files:
        name = file.relative_to(folder).with_suffix("").as_posix()
        if name in named:
            raise UsageError(f"'{folder}' holds {named[name].name} and {file.name}; a name must not repeat")
        named[name] = file
    return named


def _check_same_names(first: Path, names: Iterable[str], second: Path, others: Iterable[str]) -> None:
    missing = {second: sorted(set(names) - set(others)), first: sorted(set(others) - set(names))}
    problems = [
        Problem(f"'{folder}' lacks {len(absent)} of the other folder's names: {', '.join(absent[:5])}")
        for folder, absent in missing.items()
        if absent
    ]
    if problems:
        raise UsageError(problems)
