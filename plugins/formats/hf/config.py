"""How a directory of Hugging Face transformers is told from others."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from ..janus.settings import model_type


@frozen
class HfConfig:
    """It needs no settings: all of them stand in the directory."""

    def recognises(self, folder: Path) -> bool:
        return model_type(folder) == "janus"
