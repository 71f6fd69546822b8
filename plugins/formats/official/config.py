"""How a directory of the official Janus implementation is told from others."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from ..janus.settings import model_type


@frozen
class OfficialConfig:
    """It needs no settings: all of them stand in the directory."""

    def recognises(self, folder: Path) -> bool:
        return model_type(folder) == "multi_modality"
