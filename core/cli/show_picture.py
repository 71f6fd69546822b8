"""How a picture was drawn, for ``janiform show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from .output import console, print_json, table
from .paths import named_as_picture
from .report import printable

if TYPE_CHECKING:
    from ..pictures import Making

_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"II*\0", b"MM\0*", b"BM", b"\0\0\0\x0cjP")


def is_picture(argument: str) -> bool:
    """Whether an argument means a picture rather than a recipe: by its name, or by how the file begins."""
    if named_as_picture(argument):
        return True
    try:
        with Path(argument).open("rb") as file:
            return file.read(8).startswith(_SIGNATURES)
    except (OSError, ValueError):
        return False


def show_picture(path: str, as_json: bool) -> None:
    """Print how a picture was drawn. Raises ``PictureError`` where it does not say so."""
    from ..pictures import making_of

    making = making_of(path)
    if as_json:
        print_json({"picture": path, **attrs.asdict(making)})
    else:
        _print(making)


def _print(making: Making) -> None:
    from rich.text import Text

    last = making.seed + making.count - 1
    facts = {
        "prompt": making.prompt,
        "seed": str(making.seed) if making.count == 1 else f"{making.seed} to {last}, on one sheet",
        **{name.replace("_", " "): str(value) for name, value in making.settings.items()},
        "pathway": making.pathway,
        "recipe": making.recipe,
        "weights": f"sha256 {making.weights_sha256}" if making.weights_sha256 else "of no file",
        "dtype": making.dtype,
        **({"quantize": making.quantize} if making.quantize else {}),
        **({"attention": making.attention} if making.attention else {}),
        "device": making.device,
        "janiform": making.janiform,
        "torch": making.torch,
    }
    rows = table("", "")
    rows.show_header = False
    for name, value in facts.items():
        rows.add_row(Text(printable(name), style="bold"), Text(printable(value)))
    console().print(rows)
