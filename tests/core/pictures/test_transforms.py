"""Padding is the reference's, bit for bit; cropping keeps the centre; both take arrays."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from janiform.pictures.read import read_picture
from janiform.pictures.transforms import CoverAndCrop, CropToSquare, PadToSquare
from PIL import Image
from safetensors.torch import load_file

FIXTURE = Path(__file__).parents[2] / "fixtures" / "janus-official-tiny"


@pytest.mark.parametrize("index", [0, 1])
def test_padding_equals_the_official_processor(index):
    expected = load_file(FIXTURE / "expected.safetensors")[f"image_{index}.pixel_values"]
    assert torch.equal(PadToSquare(64)(read_picture(FIXTURE / f"image_{index}.png")), expected)


def test_padding_truncates_sides_and_fills_with_the_mean():
    pixels = PadToSquare(64)(np.zeros((52, 80, 3), np.uint8))  # 64×41, as the reference has it
    rows = (pixels[0] == -1).all(dim=1)
    assert rows.sum() == 41
    assert rows.nonzero()[0].item() == (64 - 41) // 2
    assert torch.allclose(pixels[:, 0, 0], torch.tensor((127 / 255 - 0.5) / 0.5).expand(3))


def test_a_thin_picture_keeps_at_least_the_least_side():
    pixels = PadToSquare(64)(np.zeros((2, 400, 3), np.uint8))
    assert (pixels[0] == -1).all(dim=1).sum() == 14


def test_background_mean_and_std_are_per_channel():
    transform = PadToSquare(32, mean=(0.1, 0.2, 0.3), std=(1.0, 0.5, 0.25), background=(0, 0, 255))
    pixels = transform(np.full((16, 32, 3), 255, np.uint8))
    assert torch.allclose(pixels[:, 0, 0], torch.tensor([-0.1, -0.4, 2.8]))
    assert torch.allclose(pixels[:, 16, 16], torch.tensor([0.9, 1.6, 2.8]))


def test_cropping_keeps_the_centre_of_the_long_side():
    strip = np.zeros((8, 24, 3), np.uint8)
    strip[:, 8:16] = 255
    assert torch.equal(CropToSquare(8)(strip), torch.ones(3, 8, 8))
    assert torch.equal(CropToSquare(8)(strip.transpose(1, 0, 2)), torch.ones(3, 8, 8))


def test_cropping_scales_the_short_side():
    tall = np.zeros((60, 20, 3), np.uint8)
    tall[20:40] = 128
    pixels = CropToSquare(10)(tall)
    assert pixels.shape == (3, 10, 10)
    assert torch.allclose(pixels[:, 5, 5], torch.tensor(128 / 255 * 2 - 1).expand(3), atol=1e-6)


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    size=st.integers(1, 20),
    transform=st.sampled_from([PadToSquare, CropToSquare]),
)
@settings(max_examples=60, deadline=None)
def test_any_picture_becomes_a_square_in_range(height, width, size, transform):
    picture = np.random.default_rng(height * 41 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    pixels = transform(size)(picture)
    assert pixels.shape == (3, size, size)
    assert pixels.dtype == torch.float32
    assert pixels.is_contiguous()
    assert pixels.abs().max() <= 1
    assert torch.equal(pixels, transform(size)(Image.fromarray(picture)))


def test_a_picture_of_the_right_size_is_left_alone():
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    expected = torch.from_numpy(picture).permute(2, 0, 1) / 255 * 2 - 1
    for transform in (PadToSquare(16), CropToSquare(16)):
        assert torch.allclose(transform(picture), expected, atol=1e-6)


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    resample=st.sampled_from(["bicubic", "lanczos"]),
    unit=st.sampled_from([0, 1, 4]),
    truncate=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_picture_covers_any_size(rows, columns, height, width, resample, unit, truncate):
    picture = np.random.default_rng(rows * 41 + columns).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    transform = CoverAndCrop(height, width, resample=resample, unit=unit, truncate=truncate)
    pixels = transform(picture)
    assert pixels.shape == (3, height, width)
    assert pixels.dtype == torch.float32
    assert pixels.is_contiguous()
    assert pixels.abs().max() <= 1
    assert torch.equal(pixels, transform(Image.fromarray(picture)))


@given(rows=st.integers(1, 60), columns=st.integers(1, 60), size=st.integers(1, 24))
@settings(max_examples=60, deadline=None)
def test_truncated_sides_are_those_of_torchvision(rows, columns, size):
    assume(max(rows, columns) <= 16 * min(rows, columns))
    picture = Image.effect_noise((columns, rows), 90).convert("RGB")
    short, long = sorted((rows, columns))
    sides = (size, int(size * long / short)) if columns <= rows else (int(size * long / short), size)
    scaled = picture.resize(sides, Image.Resampling.BICUBIC)
    left, top = round((scaled.width - size) / 2.0), round((scaled.height - size) / 2.0)
    expected = np.asarray(scaled.crop((left, top, left + size, top + size)))
    pixels = CoverAndCrop(size, size, truncate=True)(picture)
    torch.testing.assert_close(pixels, torch.from_numpy(expected.transpose(2, 0, 1) / 127.5 - 1).float())


def test_covering_keeps_the_centre():
    strip = np.zeros((8, 24, 3), np.uint8)
    strip[:, 8:16] = 255
    assert torch.equal(CoverAndCrop(8, 8)(strip), torch.ones(3, 8, 8))
    assert torch.equal(CoverAndCrop(8, 16)(strip)[:, :, 4:12], torch.ones(3, 8, 8))
    thin = np.zeros((1, 10_000, 3), np.uint8)
    thin[:, 5000 - 32 : 5000 + 32] = 255
    assert torch.equal(CoverAndCrop(512, 512)(thin), torch.ones(3, 512, 512))


def test_proportions_that_differ_by_less_than_a_unit_are_scaled_whole():
    picture = np.zeros((100, 108, 3), np.uint8)
    picture[:, :3] = 255  # cut off where the picture covers the square, kept where it is scaled whole
    assert CoverAndCrop(40, 40)(picture)[0, :, 0].max() < 0
    assert CoverAndCrop(40, 40, unit=8)(picture)[0, :, 0].min() > 0
    assert CoverAndCrop(40, 40, unit=8)(np.ones((100, 150, 3), np.uint8)).shape == (3, 40, 40)


def test_transforms_are_values():
    assert CoverAndCrop(8, 9) == CoverAndCrop(8, 9, resample="bicubic")
    with pytest.raises(ValueError, match="resample"):
        CoverAndCrop(8, 9, resample="nearest")
    assert PadToSquare(64) == PadToSquare(64, mean=[0.5, 0.5, 0.5])
    assert hash(CropToSquare(64)) == hash(CropToSquare(64))
    with pytest.raises(ValueError, match="size"):
        CropToSquare(0)
