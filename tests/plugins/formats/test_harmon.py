"""Harmon's folder in the layout of its release, with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from janiform import Mask, Model, StorageError, build_model, open_model, read_recipe, read_recipe_text, registry
from janiform.compose import compose
from janiform.model.modules import build_modules
from janiform.storage.convert import convert
from janiform.storage.export import Export
from janiform.storage.formats import format_of, named_format
from janiform.storage.tensors import tensors_of
from janiform_plugins.formats.harmon import read as reading
from transformers import Qwen2Config, Qwen2ForCausalLM

IMAGE_SIZE = reading.IMAGE_SIZE
"""The release's, which small models do not have."""

SPECIAL = {"<|endoftext|>": 300, "<|im_start|>": 301, "<|im_end|>": 302}
RECIPE = """\
recipe = 1
name = "small-harmon"
understanding = { share = "generation" }
backbone = { use = "qwen2", vocabulary = 310, width = 32, inner = 48, layers = 2, heads = 2, kv_heads = 1 }
text = { use = "bpe", vocabulary = 310, special_tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] }
layout = { use = "harmon" }

[generation]
adapter = { use = "mlp", activation = "silu" }
embedding = { use = "mar", width = 768, heads = 12, layers = 1, buffer = 3, table = 2 }
sampler = { use = "masked-latents", steps = 5, guidance = 3.0 }

[generation.tokenizer]
use = "kl"
image_size = 16
channels = 32
multipliers = [1, 2, 1]
blocks = 1
latent = 5
encoder_attention = [2]

[generation.head]
use = "mar"
width = 768
heads = 12
layers = 1
buffer = 3
table = 2
net_width = 16
net_depth = 2
"""
LANGUAGE = {
    "model_type": "qwen2", "hidden_act": "silu", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 310, "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "tie_word_embeddings": True, "use_sliding_window": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def case(tmp_path_factory: Any, write_text: Any, randomise: Any) -> Any:
    folder = tmp_path_factory.mktemp("harmon")
    model = randomise(build_model(compose(read_recipe_text(RECIPE))), 0)
    rope = {"rope_type": "default", "rope_theta": LANGUAGE["rope_theta"]}
    settings = {name: value for name, value in LANGUAGE.items() if name not in ("model_type", "rope_theta")}
    llm = randomise(Qwen2ForCausalLM(Qwen2Config(**settings, rope_parameters=rope, attn_implementation="eager")), 1)
    keys = named_format("harmon").format.keys(model.plan)
    entries = Export.of(model).entries({path: names for path, names in keys.items() if path != "backbone"})
    tensors = {name: torch.cat(list(entry.rows())).view(entry.shape) for name, entry in entries.items()}
    vae = {name: tensors.pop(name) for name in entries if not name.startswith(("mar.", "proj_"))}
    # Names of the release's classes, as its MAR and its build_mlp have them.
    assert {
        "proj_in.0.weight", "proj_out.2.bias", "mar.fake_latent", "mar.z_proj_ln.bias", "mar.mask_token",
        "mar.encoder_blocks.0.attn.qkv.bias", "mar.decoder_blocks.0.mlp.fc2.weight", "mar.decoder_embed.weight",
        "mar.diffloss.net.res_blocks.1.in_ln.weight", "mar.diffusion_pos_embed_learned",
    } <= tensors.keys()  # fmt: skip
    tensors |= {f"llm.{name}": value for name, value in llm.state_dict().items()}
    tensors["mar.class_emb.weight"] = torch.zeros(10, 768)
    torch.save(tensors, folder / "harmon_0.5b.pth")
    torch.save({"model": {**vae, "loss.logvar": torch.zeros(())}}, folder / "kl16.ckpt")
    language = folder / "Qwen2.5-0.5B-Instruct"
    language.mkdir()
    (language / "config.json").write_text(json.dumps(LANGUAGE))
    write_text(language, SPECIAL, 100, {})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reading, "IMAGE_SIZE", 16)
        patched.setattr(reading, "SAMPLER", {"steps": 5, "guidance": 3.0})
        yield SimpleNamespace(folder=folder, model=model, llm=llm, ours=open_model(folder), tensors=tensors)


@torch.no_grad()
def test_all_parts_are_read(case: SimpleNamespace, assert_exact: Any) -> None:
    ids = torch.randint(310, (2, 7), generator=torch.Generator().manual_seed(0))
    positions = torch.arange(7).expand(2, -1)
    backbone = case.ours.backbone
    states = backbone(backbone.embed(ids), positions, Mask.causal())
    assert_exact(backbone.logits(states), case.llm(ids).logits)
    given = case.model.state_dict()
    for name, value in case.ours.state_dict().items():
        assert name.startswith("backbone.") or torch.equal(value, given[name]), name


def test_it_draws_and_answers(case: SimpleNamespace) -> None:
    model = Model(case.ours)
    (picture,) = model.generate("a cat", steps=2)
    assert picture.size == (16, 16)
    assert isinstance(model.ask(picture, "what?", max_new_tokens=2), str)


def test_it_is_recognised_and_written_as_janiform(case: SimpleNamespace, tmp_path: Path) -> None:
    assert registry().find("format", "harmon").config().recognises(case.folder)
    convert(case.folder, tmp_path / "ours", "janiform")
    again = open_model(tmp_path / "ours")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in case.ours.state_dict().items())
    assert again.processor.drawing_prompt("a cat") == case.ours.processor.drawing_prompt("a cat")


def test_the_shapes_of_the_release_are_those_of_the_recipe_that_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "IMAGE_SIZE", IMAGE_SIZE)
    plan = compose(read_recipe("harmon-1.5b"))
    keys = named_format("harmon").format.keys(plan)
    shapes = {
        piece.name: piece.shape
        for path, module in build_modules(plan, device="meta").items()
        for name, tensor in tensors_of(module).items()
        for piece in keys[path].pieces(name, tensor.shape) or ()
    }
    for part, settings in reading.sizes_of(shapes).items():
        config = plan.parts[f"generation.{part}"].use.config
        read = type(config)(**{name: value for name, value in settings.items() if name != "use"})
        assert read == config, part


def copied(case: SimpleNamespace, folder: Path) -> Path:
    for source in ("harmon_0.5b.pth", "kl16.ckpt"):
        (folder / source).write_bytes((case.folder / source).read_bytes())
    (folder / "Qwen2.5-0.5B-Instruct").symlink_to(case.folder / "Qwen2.5-0.5B-Instruct")
    return folder


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("llm.model.layers.1.mlp.up_proj.weight", "backbone"),
        ("mar.z_proj_ln.bias", "generation.embedding"),
        ("proj_in.2.bias", "generation.adapter"),
        ("mar.diffloss.net.res_blocks.1.mlp.2.bias", "generation.head"),
    ],
)
def test_tensors_that_are_missing_or_surplus_are_named(
    case: SimpleNamespace, tmp_path: Path, name: str, part: str, assert_told: Any
) -> None:
    folder = copied(case, tmp_path)
    changed = {f"{key}_2" if key == name else key: value for key, value in case.tensors.items()}
    torch.save(changed, folder / "harmon_0.5b.pth")
    assert_told(folder, part, missing=name, surplus=f"{name}_2")


def test_other_files_are_refused_with_a_sentence(case: SimpleNamespace, tmp_path: Path) -> None:
    folder = copied(case, tmp_path)
    layout = format_of(folder).format
    (folder / "harmon_1.5b.pth").write_bytes((folder / "harmon_0.5b.pth").read_bytes())
    with pytest.raises(StorageError, match=r"has harmon_0\.5b\.pth and harmon_1\.5b\.pth"):
        layout.recipe(folder)
    (folder / "harmon_0.5b.pth").unlink()
    with pytest.raises(StorageError, match=r"has no folder Qwen2\.5-1\.5B-Instruct"):
        layout.recipe(folder)
    (folder / "harmon_1.5b.pth").rename(folder / "harmon_0.5b.pth")
    without = {name: value for name, value in case.tensors.items() if name != "mar.mask_token"}
    torch.save(without, folder / "harmon_0.5b.pth")
    with pytest.raises(StorageError, match=r"mar\.mask_token is missing"):
        layout.recipe(folder)
    torch.save(case.tensors | {"mar.mask_token": torch.zeros(1, 1, 96)}, folder / "harmon_0.5b.pth")
    with pytest.raises(StorageError, match="MAR has a width of 96; its number of heads is known for 768, 1024, 1280"):
        layout.recipe(folder)
