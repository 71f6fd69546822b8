"""The shipped recipes have exactly the tensors of the released models, name by name and shape by shape."""

import json
from pathlib import Path

import pytest
import torch
from janiform import Processor, read_recipe
from janiform.compose import compose
from janiform.model.modules import build_modules
from janiform.storage.export import Export
from janiform.storage.formats import named_format
from janiform.storage.matching import match
from janiform.storage.weight_files import StoredTensor
from janiform_plugins.formats.hf.write import describe
from janiform_plugins.formats.janus.parts import configs
from transformers import AutoConfig, AutoModelForImageTextToText

SHAPES = Path(__file__).parents[1] / "fixtures" / "janus-keys.json"
UNUSED = ("vision_model.vision_tower.attn_pool.", "gen_vision_model.quantize.codebook_used")


class Headers:
    """Files that have headers only."""

    def __init__(self, shapes):
        self.files = (SHAPES,)
        self.tensors = {name: StoredTensor(tuple(shape), torch.bfloat16, SHAPES) for name, shape in shapes.items()}


@pytest.mark.parametrize(("model", "billions"), [("janus-pro-1b", 2.08), ("janus-pro-7b", 7.41)])
def test_every_tensor_of_the_released_models_has_its_place(model, billions):
    shapes = json.loads(SHAPES.read_text())[model]
    plan = compose(read_recipe(model))
    modules = build_modules(plan, device="meta")
    matched = match(modules, named_format("official").format.keys(plan), Headers(shapes))
    assert set(matched.unused) == {name for name in shapes if name.startswith(UNUSED)}
    assert all(matched.unused.values())
    read = [piece.name for part in matched.placed.values() for pieces in part.values() for piece in pieces]
    assert sorted(read) == sorted(shapes.keys() - matched.unused.keys())
    parameters = sum(parameter.numel() for module in modules.values() for parameter in module.parameters())
    assert round(parameters / 1e9, 2) == billions


@pytest.mark.parametrize("model", ["janus-pro-1b", "janus-pro-7b"])
def test_transformers_makes_the_same_tensors_of_the_exported_config(model, official, tmp_path):
    plan = compose(read_recipe(model))
    text = Processor(plan, official).text
    (tmp_path / "config.json").write_text(json.dumps(describe(configs(plan, "hf"), "bfloat16", text)["config.json"]))
    with torch.device("meta"):
        theirs = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(tmp_path))
    modules = build_modules(plan, device="meta")
    export = Export(plan, text, torch.bfloat16, modules, lambda *_: pytest.fail("no values are needed"))
    entries = export.entries(named_format("hf").format.keys(plan))
    shapes = {name: tuple(entry.shape) for name, entry in entries.items()}
    assert shapes == {name: tuple(tensor.shape) for name, tensor in theirs.state_dict().items()}
