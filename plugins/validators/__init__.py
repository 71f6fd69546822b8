"""Checks of settings that several plugins make. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attrs import Attribute


def distinct(_: object, attribute: Attribute[tuple[str, ...]], values: tuple[str, ...]) -> None:
    """Raise ``ValueError`` where a name occurs twice; a validator of attrs."""
    if len(set(values)) != len(values):
        raise ValueError(f"{attribute.name} must not repeat a name, but is {', '.join(values)}")
