"""A new plugin package, written from templates: one working component with its tests, to be changed by its author."""

from __future__ import annotations

from .package import PACKAGE_KINDS, write_package

__all__ = ["PACKAGE_KINDS", "write_package"]
