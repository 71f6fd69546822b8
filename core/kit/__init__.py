"""A new plugin package, written out of templates: one part that works, with its tests, to be changed into one's own."""

from __future__ import annotations

from .package import KINDS, write_package

__all__ = ["KINDS", "write_package"]
