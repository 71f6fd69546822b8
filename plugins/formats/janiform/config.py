"""How a model folder of janiform is told from others."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen


@frozen
class JaniformConfig:
    """It needs no settings: its recipe stands in the folder."""

    def recognises(self, folder: Path) -> bool:
        weights = (folder / "model.safetensors", folder / "model.safetensors.index.json")
        return (folder / "recipe.toml").is_file() and any(file.is_file() for file in weights)
