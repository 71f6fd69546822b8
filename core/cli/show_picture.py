"""How a picture was drawn, as ``janiform show`` prints it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from ..untrusted_text import printable
from .output import console, print_json, table
from .paths import named_as_picture

if TYPE_CHECKING:
    from ..pictures.provenance import Provenance

_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"II*\0", b"MM\0*", b"BM", b"\0\0\0\x0cjP")


def is_picture(argument: str) -> bool:
    """Whether an argument names a picture rather than a recipe: by its suffix, or by the first bytes of the file."""
    if named_as_picture(argument):
        return True
    try:
        with Path(argument).open("rb") as file:
            return file.read(8).startswith(_SIGNATURES)
    except (OSError, ValueError):
        return False


def show_picture(path: str, as_json: bool) -> None:
    """Print how a picture was drawn. Raises ``PictureError`` where the picture does not hold it."""
    from ..pictures.provenance import provenance_of

    provenance = provenance_of(path)
    if as_json:
        print_json({"picture": path, **attrs.asdict(provenance)})
    else:
        _print(provenance)


def _print(provenance: Provenance) -> None:
    from rich.text import Text

    last = provenance.seed + provenance.count - 1
    facts = {
        "prompt": provenance.prompt,
        "seed": str(provenance.seed) if provenance.count == 1 else f"{provenance.seed} to {last}, on one sheet",
        **{name.replace("_", " "): str(value) for name, value in provenance.settings.items()},
        **({"sampler": provenance.sampler} if provenance.sampler else {}),
        "pathway": provenance.pathway,
        "recipe": provenance.recipe,
        "weights": f"sha256 {provenance.weights_sha256}" if provenance.weights_sha256 else "from no file",
        "dtype": provenance.dtype,
        **({"quantize": provenance.quantize} if provenance.quantize else {}),
        **({"attention": provenance.attention} if provenance.attention else {}),
        "device": provenance.device,
        "janiform": provenance.janiform,
        "torch": provenance.torch,
    }
    rows = table("", "")
    rows.show_header = False
    for name, value in facts.items():
        rows.add_row(Text(printable(name), style="bold"), Text(printable(value)))
    console().print(rows)
