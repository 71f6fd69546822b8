"""Damaged pictures of every format and mode, and their metadata."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import numpy as np
from janiform import provenance_of
from janiform.pictures.read import read_picture
from PIL import Image

from . import mutate

COUNT = 20_000

MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "GIF": ("P", "RGB"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F", "LAB"),
    "PPM": ("1", "L", "RGB", "I"),
    "JPEG2000": ("L", "RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
    "ICO": ("RGB",),
    "PDF": ("RGB",),
}


class Pictures:
    def __init__(self, folder: Path) -> None:
        self._file = folder / "picture.png"
        self._seeds = [data for form, modes in MODES.items() for mode in modes for data in _saved(form, mode)]
        self._seeds += [file.read_bytes() for file in sorted(_fixtures().rglob("*.png"))]

    def run(self, chance: Random) -> None:
        data = mutate.damaged(chance.choice(self._seeds), chance)
        if chance.random() < 0.3:
            self._file.write_bytes(data)
            provenance_of(self._file)
        picture = read_picture(data, name="the fuzzed picture")
        if picture.mode != "RGB":
            raise AssertionError(f"the picture has the mode {picture.mode}")


def _saved(form: str, mode: str) -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    picture = picture.convert("L").convert(mode) if mode in ("I", "I;16", "F", "LA") else _converted(picture, mode)
    options: list[dict[str, object]] = [{}]
    if form == "TIFF":
        options += [{"compression": name} for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits")]
    if form in ("GIF", "WEBP", "PNG"):
        options += [{"save_all": True, "append_images": [picture, picture]}]
    if form == "JPEG":
        exif = Image.Exif()
        exif[0x0112] = 6
        options += [{"exif": exif}, {"progressive": True}]
    files = []
    for option in options:
        file = io.BytesIO()
        try:
            picture.save(file, form, **option)
        except (OSError, ValueError, KeyError):  # this build of Pillow does not write it
            continue
        files.append(file.getvalue())
    return files


def _converted(picture: Image.Image, mode: str) -> Image.Image:
    if mode != "LAB":
        return picture.convert(mode)
    from PIL import ImageCms

    return ImageCms.profileToProfile(
        picture, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )  # type: ignore[return-value]


def _fixtures() -> Path:
    return Path(__file__).resolve().parents[2] / "tests" / "fixtures"
