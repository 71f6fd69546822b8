"""The format of Emu3 as its authors release it: the language model in one folder, the visual tokenizer in another.

The visual tokenizer is looked for in the folder ``Emu3-VisionTokenizer``, within the language model's or beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from janiform import CompositionError, KeyMap, Origin, Problem, StorageError, WeightFiles, weight_files

from ...backbones.decoder.weights import causal_lm
from ...tokenizers.weights import emu3 as vq_names
from ..config import Emu3OfficialFormatConfig
from ..coupled.parts import BORROWERS, codes_pathway
from ..janus.parts import head_in, llama, not_quantized, tied
from ..janus.settings import CONFIG, Settings, finish
from .format import COMPONENTS
from .read import DEFAULTS, RELEASED, emu3

if TYPE_CHECKING:
    from janiform import Export, Plan, Recipe

VISION = "Emu3-VisionTokenizer"

HEAD = "lm_head.weight"


class Emu3OfficialFormat:
    def __init__(self, config: Emu3OfficialFormatConfig) -> None:
        self.config = config

    def recipe(self, folder: Path) -> Recipe:
        config = Settings.read(folder / CONFIG, [])
        if not config.values:
            finish(config.problems)
        if not (folder / "tokenizer.json").is_file():
            hint = "put tokenizer.json of Emu3 in transformers, which has the same ids, into this folder"
            message = "is missing, and janiform does not read emu3.tiktoken"
            raise StorageError(Problem(message, origin=Origin(str(folder / "tokenizer.json")), hint=hint))
        vision = vision_folder(folder)
        not_quantized(config)
        backbone = llama(config, "Emu3", DEFAULTS)
        backbone["tied"] = tied(config, head_in(folder, HEAD), default=False)
        vq = Settings.read(vision / CONFIG, config.problems)
        processor = Settings.read(vision / "preprocessor_config.json", config.problems, optional=True)
        return emu3(folder, config, backbone, vq, RELEASED, processor)

    def weights(self, folder: Path) -> WeightFiles:
        return WeightFiles([*weight_files(folder).files, *weight_files(vision_folder(folder)).files])

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        owner = codes_pathway(plan, "emu3-official", COMPONENTS)
        return {
            "backbone": causal_lm(plan.parts["backbone"].use.config),
            f"{owner}.tokenizer": vq_names(plan.parts[f"{owner}.tokenizer"].use.config),
            **{f"{owner}.{part}": KeyMap({}) for part in BORROWERS},
        }

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        raise CompositionError(Problem("format 'emu3-official' is read only; write the model in format 'janiform'"))


def vision_folder(folder: Path) -> Path:
    """The folder of the visual tokenizer. Raises ``StorageError`` where there is none."""
    places = (folder / VISION, folder.absolute().parent / VISION)
    found = next((place for place in places if (place / CONFIG).is_file()), None)
    if found is None:
        hint = f"put BAAI/{VISION} into {places[0]} or {places[1]}"
        raise StorageError(Problem(f"{folder} has no visual tokenizer", hint=hint))
    return found
