"""The settings of the formats, which recognise their directories. Torch-free."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from .janus.settings import is_janusflow, is_show_o, model_type

SHARD_SIZE = 5 * 10**9
"""Maximum size in bytes of a weight file, by default."""


@frozen
class JaniformConfig:
    """No settings: the recipe is in the folder."""

    def recognises(self, folder: Path) -> bool:
        weights = (folder / "model.safetensors", folder / "model.safetensors.index.json")
        return (folder / "recipe.toml").is_file() and any(file.is_file() for file in weights)


@frozen
class OfficialConfig:
    """No settings: all of them are in the directory."""

    def recognises(self, folder: Path) -> bool:
        return model_type(folder) == "multi_modality" and not is_janusflow(folder)


@frozen
class JanusFlowFormatConfig:
    """No settings: all of them are in the directory, and in that of the autoencoder."""

    def recognises(self, folder: Path) -> bool:
        return model_type(folder) == "multi_modality" and is_janusflow(folder)


@frozen
class HfConfig:
    """No settings: all of them are in the directory."""

    def recognises(self, folder: Path) -> bool:
        return model_type(folder) == "janus"


@frozen
class ChameleonFormatConfig:
    """No settings: all of them are in the directory."""

    def recognises(self, folder: Path) -> bool:
        return model_type(folder) == "chameleon"


@frozen
class Emu3FormatConfig:
    """No settings: all of them are in the directory."""

    def recognises(self, folder: Path) -> bool:
        return model_type(folder) == "emu3"


@frozen
class Emu3OfficialFormatConfig:
    """No settings: all of them are in the directory, and in that of the visual tokenizer."""

    def recognises(self, folder: Path) -> bool:
        return model_type(folder) == "Emu3"


@frozen
class BagelFormatConfig:
    """No settings: all of them are in the directory."""

    def recognises(self, folder: Path) -> bool:
        return (folder / "llm_config.json").is_file() and (folder / "vit_config.json").is_file()


@frozen
class ShowOFormatConfig:
    """No settings: all of them are in the directory, and in those of the language model and the visual tokenizer."""

    def recognises(self, folder: Path) -> bool:
        return is_show_o(folder)
