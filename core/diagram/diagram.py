"""Files with diagrams of composed models, in the format of the file's suffix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..compose.plan import Plan
from ..errors import UsageError
from ..untrusted_text import storable
from .mermaid import diagram_mermaid
from .svg import diagram_svg

if TYPE_CHECKING:
    from ..measure.costs import Costs

__all__ = ["diagram_mermaid", "diagram_svg", "write_diagram"]


def write_diagram(plan: Plan, path: Path, costs: Costs | None = None) -> None:
    """Write a plan's diagram: an SVG picture (``.svg``), or Mermaid alone (``.mmd``) or in a Markdown page (``.md``).

    Raises ``UsageError`` for another suffix.
    """
    match path.suffix.lower():
        case ".svg":
            text = diagram_svg(plan, costs)
        case ".mmd":
            text = diagram_mermaid(plan, costs)
        case ".md":
            text = f"```mermaid\n{diagram_mermaid(plan, costs)}```\n"
        case suffix:
            ending = f"the suffix '{suffix}'" if suffix else "no suffix"
            raise UsageError(f"'{path}' has {ending}; a diagram needs .svg for a picture, or .mmd or .md for Mermaid")
    path.write_text(storable(text), encoding="utf-8")
