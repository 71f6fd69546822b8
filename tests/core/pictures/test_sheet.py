"""Tensors to pictures, and sheets that hold them all."""

import numpy as np
import pytest
import torch
from janiform.pictures.sheet import contact_sheet, to_pil
from janiform.pictures.transforms import CropToSquare
from PIL import Image


def test_pixels_come_back_as_they_were():
    levels = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    back = np.asarray(to_pil(CropToSquare(8)(levels))).astype(int)
    assert np.abs(back - levels).max() <= 1  # fractions are cut, as the reference cuts them


def test_values_outside_are_clipped():
    pixels = torch.tensor([-3.0, 3.0, float("nan"), 0.0]).expand(3, 1, 4)
    assert np.asarray(to_pil(pixels))[0, :, 0].tolist() == [0, 255, 0, 127]


def test_every_picture_is_on_the_sheet_enlarged_without_blur():
    colours = ["red", "lime", "blue", "yellow", "cyan"]
    sheet = contact_sheet([Image.new("RGB", (64, 64), colour) for colour in colours], colours, 3, cell=128)
    counts = dict.fromkeys(colours, 0)
    for count, pixel in sheet.getcolors(2**20):
        for colour in colours:
            if pixel == Image.new("RGB", (1, 1), colour).getpixel((0, 0)):
                counts[colour] += count
    assert set(counts.values()) == {128 * 128}


def test_captions_take_room_and_any_text():
    picture = Image.new("RGB", (8, 8))
    plain = contact_sheet([picture])
    assert contact_sheet([picture], ["a caption " * 40]).height > plain.height
    assert contact_sheet([picture] * 2, ["", "ein Wort " + "x" * 500 + " 猫 🐈"]).width > plain.width


def test_a_sheet_of_nothing_or_with_other_captions_is_a_mistake():
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
    with pytest.raises(ValueError, match="2 captions"):
        contact_sheet([Image.new("RGB", (8, 8))], ["a", "b"])
