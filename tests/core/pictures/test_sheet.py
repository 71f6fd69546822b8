"""Tensors to pictures, and sheets that hold them all."""

import numpy as np
import pytest
import torch
from janiform import PictureError, UsageError
from janiform.pictures.sheet import contact_sheet, to_pil
from janiform.pictures.transforms import CropToSquare
from PIL import Image

PICTURE = Image.new("RGB", (8, 8))


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


@pytest.mark.parametrize(
    ("pictures", "settings", "said"),
    [
        ([], {}, "at least one picture"),
        (PICTURE, {}, "pictures must be a list of pictures"),
        (None, {}, "pictures must be a list of pictures, not None"),
        ([PICTURE, 3], {}, "a picture must be a path"),
        ([PICTURE], {"captions": ["a", "b"]}, "got 2 captions for 1 pictures"),
        ([PICTURE], {"captions": "a"}, "captions must be a list of texts"),
        ([PICTURE], {"captions": [None]}, "a caption must be a text, not None"),
        ([PICTURE], {"columns": 0}, "columns must be at least 1"),
        ([PICTURE], {"columns": -2}, "columns must be at least 1"),
        ([PICTURE], {"columns": 1.5}, "columns must be a whole number"),
        ([PICTURE], {"cell": 0}, "cell must be a whole number from 1 to 4096"),
        ([PICTURE], {"cell": 10**9}, "cell must be a whole number from 1 to 4096"),
        ([PICTURE], {"cell": "9"}, "cell must be a whole number"),
    ],
)
def test_wrong_arguments_of_a_sheet_are_refused(pictures, settings, said):
    with pytest.raises((UsageError, PictureError), match=said):
        contact_sheet(pictures, **settings)


@pytest.mark.parametrize("cell", [1, 2, 9])
def test_a_sheet_may_have_cells_of_any_size_and_pictures_of_any_kind(cell):
    pixels = np.zeros((4, 6, 3), np.uint8)
    sheet = contact_sheet((picture for picture in (PICTURE, pixels)), ["a", "b c"], np.int64(2), cell=cell)
    assert sheet.width > 2 * cell
