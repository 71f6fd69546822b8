"""Folders of pictures to score, as generators and benchmarks leave them: single pictures, or grids of several.

FOLDER/…/cat.png                pictures, also in subfolders
FOLDER/00000/metadata.jsonl     GenEval: the prompt of the pictures in ``samples``; those beside are not read
FOLDER/00000/samples/0000.png
FOLDER/cat.png                  DPG-Bench: a grid of 2×2, which is cut
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from attrs import frozen
from PIL import Image

from ..errors import PictureError, Problem, UsageError
from ..pictures.provenance import KEY, Provenance, parse
from ..pictures.read import read_picture

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""The files of a folder that are its pictures."""

METADATA, SAMPLES = "metadata.jsonl", "samples"


@frozen
class FolderPicture:
    """A picture in a file, or the part of a grid: row by row, from 0. ``name`` is its path without the extension."""

    folder: Path
    path: Path
    part: int = 0
    grid: int = 1

    @property
    def name(self) -> str:
        return self.path.relative_to(self.folder).with_suffix("").as_posix()

    @property
    def item(self) -> str:
        """A name that tells the parts of a grid apart."""
        return self.name if self.grid == 1 else f"{self.name}/{self.part}"

    def read(self) -> Image.Image:
        """The picture as RGB. Raises ``PictureError``, and ``UsageError`` for a grid that cannot be divided."""
        if self.grid == 1:
            return read_picture(self.path)
        whole = _whole(self.path)
        width, height = (side // self.grid for side in whole.size)
        if (width * self.grid, height * self.grid) != whole.size or not width or not height:
            size = "×".join(map(str, whole.size))
            message = f"'{self.path}' has {size} pixels, which is not a grid of {self.grid}×{self.grid} equal pictures"
            raise UsageError(message)
        left, top = self.part % self.grid * width, self.part // self.grid * height
        return whole.crop((left, top, left + width, top + height))


def pictures_in(folder: Path, grid: int = 1) -> list[FolderPicture]:
    """The pictures in a folder and its subfolders, by their paths.

    ``grid``: rows and columns of pictures in each file. Where it is 1, contact sheets that janiform
    wrote are left out. Raises ``UsageError`` where there are no pictures.
    """
    if not folder.is_dir():
        raise UsageError(f"the folder '{folder}' does not exist")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    files = [path for path in files if not _is_beside_samples(path)]
    if not files:
        raise UsageError(f"'{folder}' holds no pictures: no files with {', '.join(SUFFIXES)}")
    if grid == 1:
        single = [path for path in files if _count(path) == 1]
        if not single:
            several = f"the files in '{folder}', such as {files[0].name}, hold {_count(files[0])} pictures each"
            raise UsageError(Problem(several, hint="--grid 2 cuts grids of 2×2, as they are drawn for DPG-Bench"))
        files = single
    return [FolderPicture(folder, path, part, grid) for path in files for part in range(grid * grid)]


def described_folder(pictures: Sequence[FolderPicture]) -> dict[str, Any]:
    """The record of a folder's pictures: their number, and their files by names and sizes."""
    files = sorted({picture.path for picture in pictures})
    sizes = [path.stat().st_size for path in files]
    names = [path.relative_to(pictures[0].folder).as_posix() for path in files]
    lines = "".join(f"{name} {size}\n" for name, size in zip(names, sizes, strict=True))
    return {
        "folder": pictures[0].folder.resolve().name,
        "pictures": len(pictures),
        "bytes": sum(sizes),
        "names_and_sizes_sha256": hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest(),
        **({"grid": pictures[0].grid} if pictures[0].grid > 1 else {}),
    }


def stored_provenance(path: Path) -> Provenance | None:
    """How a picture was drawn, where its file tells it; its pixels are not decoded."""
    if path.suffix.lower() != ".png":
        return None
    try:
        with Image.open(path, formats=("PNG",)) as opened:
            text = opened.info.get(KEY)
        return parse(text) if isinstance(text, str) else None
    except (PictureError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None  # a damaged picture is reported when it is read


def _count(path: Path) -> int:
    """The number of pictures in a file by its provenance; 1 where it has none."""
    provenance = stored_provenance(path)
    return 1 if provenance is None else provenance.count


def _is_beside_samples(path: Path) -> bool:
    """Whether a file lies in a folder of a prompt of GenEval, but not among its samples, as the generator's grids."""
    return (path.parent / METADATA).is_file() and (path.parent / SAMPLES).is_dir()


@lru_cache(maxsize=1)
def _whole(path: Path) -> Image.Image:
    return read_picture(path)
