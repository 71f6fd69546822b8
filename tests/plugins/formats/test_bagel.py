"""BAGEL's folder in the layout of its release, with random weights of transformers' and the release's names."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from janiform import (
    CompositionError,
    Mask,
    Model,
    Routes,
    StorageError,
    open_model,
    read_recipe,
    registry,
    weight_files,
)
from janiform.cli import main
from janiform.compose import compose
from janiform.storage.convert import convert
from janiform.storage.formats import format_of
from janiform_plugins.tokenizers.kl.config import KlConfig
from janiform_plugins.tokenizers.kl.tokenizer import KlTokenizer
from janiform_plugins.tokenizers.weights import latent_diffusion
from safetensors.torch import load_file, save_file
from transformers import Qwen3Config, Qwen3ForCausalLM, SiglipVisionConfig, SiglipVisionModel

SPECIAL = {"<|endoftext|>": 300, "<|im_start|>": 301, "<|im_end|>": 302, "<|vision_start|>": 303, "<|vision_end|>": 304}
SIDE, PATCH = 3, 4
"""Rows of the encoder's patches, and their side in pixels."""
PLACES = 4
"""Rows of latents."""


def language_model(chance: random.Random, seed: int, randomise: Any) -> tuple[dict[str, Any], list[Any]]:
    """The config, and one Qwen3 with biases for each set of weights."""
    heads = chance.choice((2, 4))
    config = {
        "model_type": "qwen2",
        "hidden_size": heads * 8,
        "intermediate_size": chance.randrange(8, 40),
        "num_hidden_layers": chance.choice((1, 2)),
        "num_attention_heads": heads,
        "num_key_value_heads": chance.choice((1, 2)),
        "vocab_size": 310,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6,
        "rope_theta": chance.choice((10_000.0, 1_000_000.0)),
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "sliding_window": 131_072,
    }
    theirs = {name: value for name, value in config.items() if name not in ("model_type", "rope_theta")}
    rope = {"rope_type": "default", "rope_theta": config["rope_theta"]}
    both = Qwen3Config(**theirs, head_dim=8, attention_bias=True, rope_parameters=rope, attn_implementation="eager")
    models = [randomise(Qwen3ForCausalLM(both), seed + number) for number in range(2)]
    for model in models:
        for layer in model.model.layers:
            layer.self_attn.o_proj.bias.data.zero_()
    models[1].lm_head = models[0].lm_head
    return config, models


def named(models: list[Any]) -> dict[str, torch.Tensor]:
    """The release's names of both sets: the second has ``_moe_gen`` behind each module that is routed."""
    tensors = {f"language_model.{name}": value for name, value in models[0].state_dict().items()}
    routed = ("q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm", "mlp", "input_layernorm",
              "post_attention_layernorm", "norm")  # fmt: skip
    for name, value in models[1].state_dict().items():
        segments = name.split(".")
        if any(segment in routed for segment in segments):
            renamed = ".".join(f"{segment}_moe_gen" if segment in routed else segment for segment in segments)
            tensors[f"language_model.{renamed}"] = value
    return {name: value.clone() for name, value in tensors.items() if "o_proj.bias" not in name.replace("_moe_gen", "")}


def write(folder: Path, seed: int, write_text: Any, randomise: Any) -> SimpleNamespace:
    chance = random.Random(seed)
    write_text(folder, SPECIAL, 100, {"eos_token": "<|im_end|>"})
    config, models = language_model(chance, seed, randomise)
    width = config["hidden_size"]
    vision = {
        "model_type": "siglip_vision_model", "hidden_size": 18, "intermediate_size": 20, "num_hidden_layers": 3,
        "num_attention_heads": 2, "image_size": SIDE * PATCH, "patch_size": PATCH,
    }  # fmt: skip
    kept = {**vision, "num_hidden_layers": 2}
    encoder = randomise(SiglipVisionModel(SiglipVisionConfig(**kept, vision_use_head=False)), seed)
    tower = {f"vit_model.vision_model.{name.removeprefix('vision_model.')}": value.clone()
             for name, value in encoder.state_dict().items()}  # fmt: skip
    name = "vit_model.vision_model.embeddings.patch_embedding.weight"
    tower[name] = tower[name].permute(0, 2, 3, 1).reshape(18, -1)  # convert_conv2d_to_linear of the release
    layers = {
        "vae2llm": (16, width), "llm2vae": (width, 16), "time_embedder.mlp.0": (256, width),
        "time_embedder.mlp.2": (width, width), "connector.fc1": (18, width), "connector.fc2": (width, width),
    }  # fmt: skip
    made = {
        name: randomise(torch.nn.Linear(*sizes), seed + index) for index, (name, sizes) in enumerate(layers.items())
    }
    linears = {f"{name}.{kind}": value for name, layer in made.items() for kind, value in layer.state_dict().items()}
    waves = {
        "latent_pos_embed.pos_embed": torch.zeros(PLACES**2, width),
        "vit_pos_embed.pos_embed": torch.zeros(SIDE**2, width),
    }
    save_file({**named(models), **tower, **linears, **waves}, folder / "ema.safetensors")
    vae = {"ch": 32, "ch_mult": [1, 1], "num_res_blocks": 1, "z_channels": 4, "downsample": 2}
    autoencoder = KlConfig(
        image_size=PLACES * 4,
        channels=32,
        multipliers=(1, 1),
        blocks=1,
        latent=4,
        quant_conv=False,
        patch=2,
        order="pqc",
    )
    tokenizer, names = randomise(KlTokenizer(autoencoder), seed), latent_diffusion(autoencoder)
    state = {names.in_files(name)[0]: value.contiguous() for name, value in tokenizer.state_dict().items()}  # type: ignore[index]
    save_file(state, folder / "ae.safetensors")
    sizes = {"max_latent_size": PLACES, "latent_patch_size": 2, "vae_config": vae, "interpolate_pos": False,
             "vit_max_num_patch_per_side": SIDE, "connector_act": "gelu_pytorch_tanh"}  # fmt: skip
    for file, values in (("config", sizes), ("llm_config", config), ("vit_config", vision)):
        (folder / f"{file}.json").write_text(json.dumps(values))
    return SimpleNamespace(folder=folder, models=models, encoder=encoder, layers=made, tokenizer=tokenizer)


@pytest.fixture(scope="module", params=range(3))
def case(request: Any, tmp_path_factory: Any, write_text: Any, randomise: Any) -> SimpleNamespace:
    case = write(tmp_path_factory.mktemp("bagel"), request.param, write_text, randomise)
    case.ours = open_model(case.folder)
    return case


@torch.no_grad()
def test_both_sets_of_weights_are_read(case: SimpleNamespace, assert_exact: Any) -> None:
    ids = torch.randint(300, (2, 7), generator=torch.Generator().manual_seed(0))
    backbone, positions = case.ours.backbone, torch.arange(7).expand(2, -1)
    vectors = backbone.embed(ids)
    for number, theirs in enumerate(case.models):
        states = backbone(vectors, positions, Mask.causal(), routes=Routes.only(number, 2))
        assert_exact(backbone.logits(states), theirs(inputs_embeds=vectors, use_cache=False).logits)


@torch.no_grad()
def test_the_encoder_and_the_connector_are_read(case: SimpleNamespace, assert_exact: Any) -> None:
    pixels = torch.randn(2, 3, SIDE * PATCH, SIDE * PATCH)
    features = case.ours.part("understanding.encoder")(pixels)
    assert_exact(features, case.encoder(pixels).last_hidden_state)
    adapter = case.ours.part("understanding.adapter")
    hidden = torch.nn.functional.gelu(case.layers["connector.fc1"](features), approximate="tanh")
    assert_exact(adapter.layers(features), case.layers["connector.fc2"](hidden))


@torch.no_grad()
def test_latents_and_times_are_read(case: SimpleNamespace, assert_exact: Any) -> None:
    pixels = torch.rand(2, 3, PLACES * 4, PLACES * 4) * 2 - 1
    tokenizer, theirs = case.ours.part("generation.tokenizer"), case.tokenizer
    assert_exact(tokenizer.encode(pixels), (theirs.encode(pixels) - 0.1159) * 0.3611)
    embedding = case.ours.part("generation.embedding")
    times = torch.tensor([0.2, 0.7])
    angles = times[:, None] * torch.exp(-np.log(10_000) * torch.arange(128) / 128)
    waves = torch.cat((angles.cos(), angles.sin()), dim=-1)
    first, second = case.layers["time_embedder.mlp.0"], case.layers["time_embedder.mlp.2"]
    assert_exact(embedding.time(times), second(torch.nn.functional.silu(first(waves))))
    latents = torch.randn(2, PLACES**2, 16)
    assert_exact(embedding.project(latents), case.layers["vae2llm"](latents))
    states = torch.randn(2, PLACES**2, embedding.project.out_features)
    assert_exact(case.ours.part("generation.head").layers(states), case.layers["llm2vae"](states))


def test_it_draws_and_changes_pictures(case: SimpleNamespace) -> None:
    model = Model(case.ours)
    (picture,) = model.generate("a red circle", steps=3)
    assert picture.size == (PLACES * 4, PLACES * 4)
    (other,) = model.generate("in blue", pictures=[picture], steps=3)
    assert other.size == picture.size
    assert isinstance(model.ask(picture, "what?", max_new_tokens=2), str)


def test_the_released_config_is_the_recipe_that_ships(tmp_path: Path, write_text: Any) -> None:
    """The sizes of BAGEL-7B-MoT, without any setting of ``config.json`` that is not in the release."""
    write_text(tmp_path, SPECIAL, 100, {})
    language = {
        "hidden_size": 3584, "intermediate_size": 18_944, "num_attention_heads": 28, "num_hidden_layers": 28,
        "num_key_value_heads": 4, "vocab_size": 152_064, "max_position_embeddings": 32_768, "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0, "model_type": "qwen2", "tie_word_embeddings": False, "hidden_act": "silu",
    }  # fmt: skip
    vision = {
        "hidden_size": 1152, "image_size": 980, "intermediate_size": 4304, "model_type": "siglip_vision_model",
        "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14,
    }  # fmt: skip
    (tmp_path / "llm_config.json").write_text(json.dumps(language))
    (tmp_path / "vit_config.json").write_text(json.dumps(vision))
    read, shipped = compose(format_of(tmp_path).format.recipe(tmp_path)), compose(read_recipe("bagel-7b-mot"))
    assert read.parts.keys() == shipped.parts.keys()
    for path, part in shipped.parts.items():
        if path not in ("text", "understanding.encoder"):
            assert read.parts[path].use.config == part.use.config, path
        assert read.parts[path].output == part.output
    assert {name: shape.route for name, shape in read.pathways.items()} == {
        name: shape.route for name, shape in shipped.pathways.items()
    }


def altered(case: SimpleNamespace, folder: Path, file: str, change: Any) -> Path:
    for source in case.folder.iterdir():
        (folder / source.name).write_bytes(source.read_bytes())
    tensors = load_file(folder / file)
    change(tensors)
    save_file(tensors, folder / file)
    return folder


@pytest.mark.parametrize(
    ("file", "name", "part"),
    [
        ("ema.safetensors", "language_model.model.layers.0.mlp_moe_gen.up_proj.weight", "backbone"),
        ("ema.safetensors", "language_model.model.norm_moe_gen.weight", "backbone"),
        ("ema.safetensors", "vit_model.vision_model.embeddings.patch_embedding.weight", "understanding.encoder"),
        ("ema.safetensors", "time_embedder.mlp.2.bias", "generation.embedding"),
        ("ae.safetensors", "decoder.up.0.block.0.conv1.weight", "generation.tokenizer"),
    ],
)
def test_tensors_that_are_missing_or_surplus_are_named(
    case: SimpleNamespace, tmp_path: Path, file: str, name: str, part: str
) -> None:
    folder = altered(case, tmp_path, file, lambda tensors: tensors.update({f"{name}_2": tensors.pop(name)}))
    with pytest.raises(StorageError) as raised:
        open_model(folder)
    sentences = {problem.message: problem.path for problem in raised.value.problems}
    assert sentences.pop(f"the files lack {name}") == part
    assert any(f"{name}_2" in sentence for sentence in sentences)


def test_a_left_out_layer_and_computed_positions_are_no_surplus(case: SimpleNamespace, tmp_path: Path) -> None:
    last = "vit_model.vision_model.encoder.layers.2.mlp.fc1.bias"
    folder = altered(case, tmp_path, "ema.safetensors", lambda tensors: tensors.update({last: torch.zeros(20)}))
    assert main(["check", str(folder)]) == 0


@pytest.mark.parametrize(
    ("file", "setting", "value", "sentence"),
    [
        ("llm_config.json", "layer_module", "Qwen2MoEDecoderLayer", "whose attention has one set of weights only"),
        ("llm_config.json", "model_type", "llama", 'is "llama", but janiform supports "qwen2" only'),
        ("vit_config.json", "image_size", 16, r"is 16, but vit_max_num_patch_per_side · patch_size is 12"),
        ("config.json", "interpolate_pos", True, "is true, but janiform supports false only"),
    ],
)
def test_other_models_are_refused(
    case: SimpleNamespace, tmp_path: Path, change: Any, file: str, setting: str, value: Any, sentence: str
) -> None:
    for source in case.folder.iterdir():
        (tmp_path / source.name).write_bytes(source.read_bytes())
    change(tmp_path, lambda values: values.update({setting: value}), file)
    with pytest.raises(StorageError, match=sentence):
        format_of(tmp_path).format.recipe(tmp_path)


def test_it_is_recognised(case: SimpleNamespace) -> None:
    assert registry().find("format", "bagel").config().recognises(case.folder)


def released_table(side: int, width: int) -> torch.Tensor:
    """``get_2d_sincos_pos_embed`` of the release, in numpy: the first half of the channels is of the column."""
    grid = np.stack(np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32)), axis=0)
    halves = []
    for axis in grid.reshape(2, -1):
        omega = 1.0 / 10_000 ** (np.arange(width // 4, dtype=np.float64) / (width / 4.0))
        angles = np.einsum("m,d->md", axis, omega)
        halves.append(np.concatenate([np.sin(angles), np.cos(angles)], axis=1))
    return torch.from_numpy(np.concatenate(halves, axis=1)).float()


@pytest.mark.parametrize("shard_size", [None, 40_000])
def test_it_is_written_back_bit_for_bit(case: SimpleNamespace, tmp_path: Path, shard_size: int | None) -> None:
    """Directly, and by way of the format ``janiform``."""
    convert(case.folder, tmp_path / "ours", "janiform")
    again = open_model(tmp_path / "ours").state_dict()
    assert all(torch.equal(value, again[name]) for name, value in case.ours.state_dict().items())
    ours = compose(format_of(case.folder).format.recipe(case.folder)).parts
    for source, target in ((case.folder, tmp_path / "first"), (tmp_path / "ours", tmp_path / "second")):
        convert(source, target, "bagel", shard_size)
        written = weight_files(target, ("ema",))
        assert len(written.files) == 1 if shard_size is None else len(written.files) > 1
        given = load_file(case.folder / "ema.safetensors")
        width = given["vae2llm.weight"].shape[0]
        for name, side in (("latent_pos_embed.pos_embed", PLACES), ("vit_pos_embed.pos_embed", SIDE)):
            given[name] = released_table(side, width)
        assert written.tensors.keys() == given.keys()
        for name, values in given.items():
            assert torch.equal(torch.cat([rows for _, rows in written.rows(name)]), values), name
        for name, values in load_file(case.folder / "ae.safetensors").items():
            assert torch.equal(load_file(target / "ae.safetensors")[name], values), name
        parts = compose(format_of(target).format.recipe(target)).parts
        assert {path: part.use.config for path, part in parts.items() if path != "text"} == {
            path: part.use.config for path, part in ours.items() if path != "text"
        }
        assert open_model(target).processor.drawing_prompt("a cat") == case.ours.processor.drawing_prompt("a cat")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ('understanding.adapter.activation = "gelu"', "is 'gelu', but would be read back as 'gelu-tanh'"),
        ("generation.tokenizer.scale = 2.0", "is 2.0, but would be read back as 0.3611"),
        ('layout.begin = "<|endoftext|>"', "is '<|endoftext|>', but would be read back as '<|im_start|>'"),
        ("understanding.encoder.table_size = 16", "is 12, but would be read back as 16"),
    ],
)
def test_a_model_that_the_files_cannot_describe_is_not_written(
    case: SimpleNamespace, tmp_path: Path, override: str, sentence: str
) -> None:
    convert(case.folder, tmp_path / "ours", "janiform")
    recipe = read_recipe(tmp_path / "ours" / "recipe.toml", (override,))
    model = SimpleNamespace(plan=compose(recipe), text=case.ours.processor.text, dtype=torch.float32)
    with pytest.raises(CompositionError) as raised:
        registry().find("format", "bagel").load()(None).write(model, tmp_path / "written")
    assert any(sentence in problem.message for problem in raised.value.problems), raised.value
    assert not (tmp_path / "written").exists()
