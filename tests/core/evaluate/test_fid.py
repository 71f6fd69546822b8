"""The Fréchet inception distance of two folders, and how much of it their number of pictures explains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inception_for_tests import random_network, write, write_weights
from janiform import PictureError, UsageError
from janiform.evaluate.fid import FeatureStatistics, fid, frechet_distance
from janiform.evaluate.inception import load_inception, network_input
from PIL import Image


def statistics(features: np.ndarray, batch: int = 7) -> FeatureStatistics:
    gathered = FeatureStatistics()
    for start in range(0, len(features), batch):
        gathered.add(torch.from_numpy(features[start : start + batch]))
    return gathered


def features(seed: int, count: int, width: int, shift: float = 0.0) -> np.ndarray:
    chance = np.random.default_rng(seed)
    return chance.normal(size=(count, width)) @ chance.normal(size=(width, width)) + shift


@settings(max_examples=30)
@given(st.integers(0, 99), st.integers(2, 60), st.integers(2, 60), st.integers(1, 12), st.floats(-5, 5))
def test_the_distance_agrees_with_scipy(seed, first, second, width, shift):
    from scipy.linalg import sqrtm

    one, other = features(seed, first, width), features(seed + 1, second, width, shift)
    covariances = [np.cov(some, rowvar=False).reshape(width, width) for some in (one, other)]
    # scipy's root loses digits where covariances are singular, so those with fewer pictures are compared below.
    if min(first, second) > width + 1:
        root = sqrtm(covariances[0] @ covariances[1]).real
        wanted = ((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
        assert frechet_distance(statistics(one), statistics(other)) == pytest.approx(wanted, rel=1e-6, abs=1e-6)
    # The trace of the root is the nuclear norm of the product of the centred features.
    centred = [(some - some.mean(0)) / np.sqrt(len(some) - 1) for some in (one, other)]
    overlap = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
    wanted = ((one.mean(0) - other.mean(0)) ** 2).sum() + sum(map(np.trace, covariances)) - 2 * overlap
    assert frechet_distance(statistics(one), statistics(other)) == pytest.approx(wanted, rel=1e-5, abs=1e-4)


def test_statistics_do_not_depend_on_batches_and_keep_digits_far_from_zero():
    values = features(0, 50, 5, 1e6)
    for batch in (1, 7, 50):
        gathered = statistics(values, batch)
        assert np.allclose(gathered.mean.numpy(), values.mean(0), rtol=1e-12)
        assert np.allclose(gathered.covariance.numpy(), np.cov(values, rowvar=False), rtol=1e-6)


def test_the_distance_of_equal_pictures_is_zero():
    values = features(3, 20, 40)
    assert frechet_distance(statistics(values), statistics(values[::-1].copy())) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(("first", "second"), [(30, 60), (100, 60), (100, 300)])
def test_few_pictures_take_another_way_to_the_same_distance(first, second):
    """Up to as many pictures as features, a root of the covariance is the matrix of the features themselves."""
    one, other = (statistics(features(seed, count, 64)) for seed, count in enumerate((first, second)))
    assert one.root.shape == (min(first, 64), 64)
    assert torch.allclose(one.root.T @ one.root, one.covariance, atol=1e-9)
    wanted = frechet_distance(one, other)
    one._rows, other._rows = [], []
    assert one.root.shape == (64, 64)
    assert frechet_distance(one, other) == pytest.approx(wanted, rel=1e-5)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return write_weights(tmp_path_factory.mktemp("inception") / "pt_inception.pth", random_network())


class Fewer(torch.nn.Module):
    """The first features of a network, since roots of large covariances take a while."""

    def __init__(self, path: Path, device: str = "cpu") -> None:
        super().__init__()
        self.network = load_inception(path, device)
        self.released = self.network.released

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.network(pixels)[:, :50]


def test_the_distance_of_two_folders(tmp_path, weights, monkeypatch):
    monkeypatch.setattr("janiform.evaluate.fid.load_inception", Fewer)
    first, second = write(tmp_path / "a", 3, 0), write(tmp_path / "b", 2, 1)
    steps = []
    result = fid(first, second, weights, on_step=lambda done, of: steps.append((done, of)))
    loaded = Fewer(weights)
    gathered = []
    for folder in (first, second):
        inputs = [
            network_input(torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1).float() / 255)
            for path in sorted(folder.iterdir())
        ]
        with torch.inference_mode():
            gathered.append(statistics(loaded(torch.stack(inputs)).double().numpy()))
    assert result.score.value == pytest.approx(frechet_distance(*gathered), rel=1e-4)
    assert (result.score.count, result.settings["pictures"], result.settings["reference"]["pictures"]) == (3, 3, 2)
    assert result.drawn["folder"] == "a"
    assert result.bias is None
    assert result.settings["inception"] == "pytorch-fid"
    assert len(result.settings["weights_sha256"]) == 64
    assert steps[-1] == (5, 5)


def test_the_bias_is_that_of_the_number_of_pictures(tmp_path, weights, monkeypatch):
    """Two samples of one distribution have the distance 0, so that all that is measured is bias."""
    chance = np.random.default_rng(0)
    drawn = {}

    class Known(torch.nn.Module):
        released = "pytorch-fid"

        def __init__(self, path, device="cpu"):
            super().__init__()

        def forward(self, pixels):
            return torch.from_numpy(chance.normal(size=(len(pixels), 20)))

    monkeypatch.setattr("janiform.evaluate.fid.load_inception", Known)
    for count in (60, 240):
        first, second = (write(tmp_path / f"{name}{count}", count, 0, 2, grow=False) for name in "ab")
        drawn[count] = fid(first, second, weights)
        assert drawn[count].bias == pytest.approx(drawn[count].score.value, rel=0.35)
    assert drawn[240].score.value == pytest.approx(drawn[60].score.value / 4, rel=0.35)


def test_folders_without_pictures_are_refused(tmp_path, weights):
    folder = write(tmp_path / "a", 2, 0)
    (tmp_path / "b").mkdir()
    with pytest.raises(UsageError, match=r"b' holds no pictures: no files with .png"):
        fid(folder, tmp_path / "b", weights)
    write(tmp_path / "d", 1, 0)
    with pytest.raises(UsageError, match="holds 1 picture; a distance needs two at least"):
        fid(folder, tmp_path / "d", weights)
    (tmp_path / "d" / "deeper").mkdir()
    (tmp_path / "d" / "deeper" / "x.PNG").write_bytes(b"not a picture")
    with pytest.raises(PictureError, match=r"x.PNG' is not a picture"):
        fid(folder, tmp_path / "d", weights)
