"""What a recipe may say of a model of transformers, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from bridged_families import LANGUAGE, SIZES
from janiform import CompositionError, PortMismatch, build, dumps, read_recipe_text, registry, use
from janiform_plugins.bridge.config import BridgedBackboneConfig, BridgedEncoderConfig


def written(folder: Path, message: dict[str, Any], name: str = "config.json") -> Path:
    (folder / name).write_text(json.dumps(message))
    return folder


FILE = {**SIZES, "model_type": "mistral", "sliding_window": None, "torch_dtype": "bfloat16", "architectures": ["M"],
        "auto_map": {"AutoModelForCausalLM": "evil.Model"}, "rope_scaling": None, "head_dim": 8}  # fmt: skip


def test_a_file_is_read_once_and_what_it_says_takes_its_place(tmp_path: Path) -> None:
    folder = written(tmp_path, FILE)
    config = BridgedBackboneConfig(config=str(folder))
    (folder / "config.json").unlink()
    assert config.config == {**SIZES, "model_type": "mistral", "head_dim": 8}
    assert set(config.unset) == {"sliding_window", "rope_scaling"}
    assert config.stated["sliding_window"] is None
    assert (config.hidden().width, config.hidden().kv_heads, config.hidden().head_width) == (32, 2, 8)


def test_a_recipe_that_names_a_file_is_written_without_it(tmp_path: Path) -> None:
    folder = written(tmp_path, FILE)
    recipe = build(backbone=use("transformers", config=folder, settings={"num_hidden_layers": 1}))
    text = dumps(recipe)
    assert str(folder) not in text
    assert read_recipe_text(text, "again.toml").backbone == recipe.backbone
    assert recipe.backbone.config.hidden().layers == 1


def test_ports_of_a_whole_config_need_neither_torch_nor_transformers(tmp_path: Path) -> None:
    folder = written(tmp_path, FILE)
    code = (
        "import sys; from janiform_plugins.bridge.config import BridgedBackboneConfig as C; "
        f"print(C(config={str(folder)!r}).hidden().width, 'torch' in sys.modules, 'transformers' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["32", "False", "False"]


def test_of_several_towers_each_part_takes_its_own(tmp_path: Path) -> None:
    eyes = {"model_type": "siglip_vision_model", "hidden_size": 16, "image_size": 32, "patch_size": 8}
    folder = written(tmp_path, {"model_type": "gemma3", "text_config": FILE, "vision_config": eyes})
    written(tmp_path, {"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1]}, "preprocessor_config.json")
    assert BridgedBackboneConfig(config=str(folder)).stated["model_type"] == "mistral"
    encoder = BridgedEncoderConfig(config=str(folder))
    assert (encoder.features().tokens, encoder.features().width, encoder.mean) == (16, 16, (0.1, 0.2, 0.3))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "names no model"),
        ({"config": "/nowhere/config.json"}, "/nowhere/config.json cannot be read: No such file"),
        (
            {"model_type": "llama", "settings": {"attn_implementation": "hub/kernel"}},
            "must not hold attn_implementation",
        ),
        ({"model_type": "llama", "settings": {"_attn_implementation": "x"}}, "must not hold _attn_implementation"),
    ],
)
def test_what_is_no_description_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BridgedBackboneConfig(**given)


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has quantised weights"):
        BridgedBackboneConfig(config=str(written(tmp_path, {**FILE, "quantization_config": {"bits": 4}})))


def test_a_type_of_several_models_is_asked_for_one(recwarn: Any) -> None:
    with pytest.raises(PortMismatch, match="'gemma3' describes several models: name the type of one, gemma3_text or"):
        BridgedBackboneConfig(model_type="gemma3").hidden()


REFUSED = {
    "lama": ({}, "has no models of type 'lama' .did you mean 'llama'"),
    "llama": ({"hiden_size": 8}, "'hiden_size' is not a setting of LlamaConfig .did you mean 'hidden_size'"),
    "mamba": ({"max_position_embeddings": 64, "num_attention_heads": 2}, "recurrent state|is not a setting"),
    "bart": ({"num_hidden_layers": 1}, "it has an encoder and a decoder"),
    "bert": (SIZES, "it is a bidirectional model|not a setting"),
    "qwen3_next": ({}, "it has a recurrent state"),
    "llama4_text": ({}, "layers of chunked_attention"),
    "gpt_oss": (LANGUAGE["qwen3"], "its attention uses s_aux"),
    "falcon": ({"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2},
               "its attention cannot be replaced"),
    "phi3": (
        SIZES | {"rope_parameters": {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 4,
                                     "long_factor": [1.0] * 4, "original_max_position_embeddings": 32}},
        "rotary positions of type 'longrope'",
    ),
    "siglip_vision_model": ({}, "it is not a causal language model .use it as an encoder"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_bridged_is_refused_with_the_reason(kind: str) -> None:
    settings, message = REFUSED[kind]
    component = registry().find("backbone", "transformers")
    with torch.device("meta"), pytest.raises((CompositionError, PortMismatch), match=message):
        component.load()(component.config(model_type=kind, settings=settings))
