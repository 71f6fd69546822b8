"""The layout of transformers: what its files decide, and what in them cannot be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import StorageError, open_model, weight_files
from janiform.storage.convert import convert
from janiform.storage.formats import format_of
from safetensors.torch import load_file, save_file


@pytest.fixture(scope="module")
def original(official: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original") / "x"
    convert(official, folder, "hf")
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "copy"))


def change(folder: Path, edit: Callable[[Any], Any], name: str = "config.json") -> None:
    content = json.loads((folder / name).read_text())
    edit(content)
    (folder / name).write_text(json.dumps(content))


def recipe(folder: Path) -> Any:
    return format_of(folder).format.recipe(folder)


def refused(folder: Path) -> str:
    with pytest.raises(StorageError) as caught:
        open_model(folder)
    return str(caught.value)


def without_head(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, folder / "model.safetensors")


def test_the_weights_decide_whether_the_text_head_is_tied(folder: Path) -> None:
    change(folder, lambda content: content.pop("tie_word_embeddings"))  # true, where nothing is said
    assert not recipe(folder).backbone.config.tied
    without_head(folder)
    assert recipe(folder).backbone.config.tied
    change(folder, lambda content: content.update(tie_word_embeddings=False))
    assert "backbone: the files lack lm_head.weight" in refused(folder)


def test_without_a_template_the_tokenizer_says_how_the_roles_are_called(folder: Path) -> None:
    assert recipe(folder).layout.config.roles == ("<|User|>", "<|Assistant|>")
    (folder / "chat_template.jinja").unlink()
    assert recipe(folder).layout.config.roles == ("<|User|>", "<|Assistant|>")


def test_the_processor_says_whether_there_is_a_system_text(folder: Path) -> None:
    assert recipe(folder).layout.config.system.startswith("You are a helpful")
    change(folder, lambda content: content.update(use_default_system_prompt=False), "processor_config.json")
    assert recipe(folder).layout.config.system == ""
    change(folder, lambda content: content.pop("use_default_system_prompt"), "processor_config.json")
    assert recipe(folder).layout.config.system == ""
    change(folder, lambda content: content.update(use_default_system_prompt="yes"), "processor_config.json")
    assert 'use_default_system_prompt: must be true or false, not "yes"' in refused(folder)


def test_the_image_processor_may_stand_in_its_own_file(folder: Path) -> None:
    change(folder, lambda content: content.pop("image_processor"), "processor_config.json")
    change(folder, lambda content: content.update(image_mean=[0.1, 0.2, 0.3]), "preprocessor_config.json")
    assert recipe(folder).pathways["understanding"].parts["encoder"].config.mean == (0.1, 0.2, 0.3)
    (folder / "preprocessor_config.json").unlink()
    assert "preprocessor_config.json: is missing" in refused(folder)


def test_a_head_that_is_fused_here_divides_by_its_heads(folder: Path) -> None:
    change(folder, lambda content: content["text_config"].update(num_key_value_heads=2))
    problems = refused(folder)
    assert "model.language_model.layers.*.self_attn.k_proj.weight (3)" in problems
    assert "the shape is [96, 96] in the files, and [48, 96] in the recipe" in problems
    assert "q_proj" not in problems


def test_contradictions_are_told_at_once(folder: Path) -> None:
    def spoil(content: Any) -> None:
        content["image_token_id"] = 10**6
        content["vision_config"] |= {"projection_dim": 5, "use_qk_norm": True, "image_size": [64, 32]}
        content["vq_config"] |= {"image_token_embed_dim": 7, "double_latent": True, "base_channels": 33}
        content["text_config"]["rope_parameters"] = {"rope_type": "yarn", "factor": 2.0}

    change(folder, spoil)
    problems = refused(folder)
    for content in (
        "config.json: image_token_id: is 1000000, but the id of '<image_placeholder>' in tokenizer.json is 765",
        "vision_config.projection_dim: is 5, but text_config.hidden_size is 96",
        "vision_config.use_qk_norm: is true, but janiform supports false only",
        "vision_config.image_size: must be a whole number from 1 to 16777216, not [64, 32]",
        "vq_config.image_token_embed_dim: is 7",
        "vq_config.double_latent: is true",
        "vq_config.base_channels: is 33, which does not divide into the 32 groups",
        'text_config.rope_parameters.rope_type: is "yarn", but janiform supports "default" only',
    ):
        assert content in problems


def test_a_tied_text_head_may_be_repeated(folder: Path) -> None:
    """As files of older versions do; there the head is used, and is the same."""
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.language_model.embed_tokens.weight"].clone()
    save_file(tensors, folder / "model.safetensors")
    change(folder, lambda content: content.update(tie_word_embeddings=True))
    backbone = open_model(folder, parts=("backbone",)).backbone
    assert torch.equal(backbone.lm_head.weight, backbone.embed_tokens.weight)
    assert len(weight_files(folder).tensors) == len(tensors)


def test_a_byte_order_mark_is_accepted(folder: Path) -> None:
    expected = recipe(folder)
    for file in folder.glob("*.json"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert recipe(folder) == expected
    open_model(folder)
