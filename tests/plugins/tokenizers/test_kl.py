"""The autoencoder of latent diffusion: latents and pixels are those of diffusers' ``AutoencoderKL``."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from janiform import Latents, StorageError, UsageError, build_model, registry
from janiform.testing.case import Case
from janiform_plugins.tokenizers.kl.config import KL_PRESETS, KlConfig
from janiform_plugins.tokenizers.kl.tokenizer import KlTokenizer
from janiform_plugins.tokenizers.weights import diffusers, latent_diffusion
from safetensors.torch import load_file, save_file
from torch import Tensor

from .published_vqgan import PublishedVqgan

EXACT = {"rtol": 1e-9, "atol": 1e-9}


def drawn(preset: str, seed: int, **others: Any) -> dict[str, Any]:
    """A preset's settings with random small sizes."""
    chance = random.Random(seed)
    settings = dict(KL_PRESETS[preset])
    count = len(settings["multipliers"])
    groups, patch = chance.choice((2, 4)), chance.choice((1, 2))
    settings |= {
        "channels": groups * chance.choice((1, 2)),
        "groups": groups,
        "multipliers": [1, *(chance.choice((1, 2, 3)) for _ in range(count - 1))],
        "blocks": chance.choice((1, 2)),
        "latent": chance.choice((2, 3, 5)),
        "patch": patch,
        "order": chance.choice(("cpq", "pqc")),
        "image_size": (1 << (count - 1)) * patch * chance.choice((1, 2)),
    }
    return settings | others


def published(config: KlConfig) -> AutoencoderKL:
    """Diffusers' model of the same sizes, without weights of its own."""
    attended = {"Down": config.encoder_attention, "Up": config.decoder_attention}
    kinds = {
        way: [f"{'Attn' if level in levels else ''}{way}{coder}Block2D" for level in range(len(config.multipliers))]
        for (way, levels), coder in zip(attended.items(), ("Encoder", "Decoder"), strict=True)
    }
    return AutoencoderKL(
        down_block_types=tuple(kinds["Down"]),
        up_block_types=tuple(reversed(kinds["Up"])),
        block_out_channels=tuple(config.channels * times for times in config.multipliers),
        layers_per_block=config.blocks,
        latent_channels=config.latent,
        norm_num_groups=config.groups,
        sample_size=config.image_size,
        scaling_factor=config.scale,
        shift_factor=config.shift,
        use_quant_conv=config.quant_conv,
        use_post_quant_conv=config.quant_conv,
        mid_block_add_attention=config.attention,
    )


def in_places(planes: Tensor, config: KlConfig) -> Tensor:
    """Latents [B, c, h, w] place by place: each a square of them, its values in the config's order."""
    side, places = config.patch, []
    for row in range(0, planes.shape[2], side):
        for column in range(0, planes.shape[3], side):
            square = planes[:, :, row : row + side, column : column + side]
            places.append((square if config.order == "cpq" else square.movedim(1, -1)).flatten(1))
    return torch.stack(places, dim=1)


def pixels_for(config: KlConfig, seed: int) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.rand(3, 3, config.image_size, config.image_size, generator=chance, dtype=torch.float64) * 2 - 1


@torch.no_grad()
def compare(ours: KlTokenizer, theirs: AutoencoderKL, seed: int) -> None:
    """Modes, samples and pixels of the two, in float64."""
    config, theirs = ours.config, theirs.double().eval()
    pixels = pixels_for(config, seed)
    posterior = theirs.encode(pixels).latent_dist
    assert posterior.std.std() > 1e-3
    mode = in_places((posterior.mode() - config.shift) * config.scale, config)
    torch.testing.assert_close(ours.encode(pixels), mode, **EXACT)
    sample = posterior.sample(torch.Generator().manual_seed(seed))
    noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    expected = in_places((sample - config.shift) * config.scale, config)
    torch.testing.assert_close(ours.encode(pixels, in_places(noise, config)), expected, **EXACT)
    port = config.latents()
    assert list(expected.shape) == [3, port.tokens, port.width]
    torch.testing.assert_close(ours.decode(expected), theirs.decode(sample).sample, **EXACT)


CASES = [
    *((preset, seed, {}) for preset in ("sd", "sdxl", "flux", "kl-16") for seed in (0, 1)),
    ("sdxl", 5, {"quant_conv": False, "attention": False}),
    ("flux", 6, {"encoder_attention": [1, 3], "decoder_attention": [0, 3]}),
]


@pytest.mark.parametrize(("preset", "seed", "others"), CASES)
def test_a_directory_of_diffusers_gives_the_same_latents_and_pixels(
    preset: str, seed: int, others: dict[str, Any], started_latents: Any, randomise: Any, tmp_path: Path
) -> None:
    settings = drawn(preset, seed, **others)
    theirs = randomise(published(KlConfig(**settings)), seed)
    theirs.save_pretrained(tmp_path)
    compare(started_latents("kl", tmp_path, **settings), theirs, seed)


@pytest.mark.parametrize(("preset", "seed", "name"), [("flux", 2, "ae.safetensors"), ("sdxl", 3, "model.safetensors"),
                                                      ("sd", 4, "last.ckpt"), ("sd", 5, "kl16.ckpt")])  # fmt: skip
def test_files_of_latent_diffusion_give_the_same_latents_and_pixels(
    preset: str, seed: int, name: str, started_latents: Any, randomise: Any, tmp_path: Path
) -> None:
    settings = drawn(preset, seed)
    config = KlConfig(**settings)
    tensors = randomise(KlTokenizer(config), seed).state_dict()
    prefix = "first_stage_model." if name == "model.safetensors" else ""
    keys = latent_diffusion(config).below(prefix)
    files = {keys.in_files(key)[0]: tensor.contiguous() for key, tensor in tensors.items()}
    assert files[f"{prefix}encoder.mid.attn_1.q.weight"].dim() == 4
    if name == "last.ckpt":
        torch.save({"epoch": 3, "state_dict": files | {"loss.logvar": torch.zeros(())}}, tmp_path / name)
    elif name == "kl16.ckpt":
        torch.save({"model": files}, tmp_path / name)
    else:
        save_file(files, tmp_path / name)
    theirs = published(config)
    # Diffusers' own conversion is the witness of the names; it refuses those that it does not know.
    theirs.load_state_dict(convert_ldm_vae_checkpoint(dict(files), theirs.config))
    compare(started_latents("kl", tmp_path, **settings), theirs, seed)


def test_the_autoencoder_of_mar_has_attention_in_its_encoder_only(
    started_latents: Any, randomise: Any, tmp_path: Path
) -> None:
    settings = dict(KL_PRESETS["kl-16"]) | {"channels": 32, "multipliers": [1, 1, 1, 1, 2], "blocks": 1, "latent": 3,
                                            "image_size": 32}  # fmt: skip
    config = KlConfig(**settings)
    tensors = randomise(KlTokenizer(config), 7).state_dict()
    files = {latent_diffusion(config).in_files(key)[0]: tensor.contiguous() for key, tensor in tensors.items()}
    assert "encoder.down.4.attn.0.q.weight" in files
    assert not [name for name in files if name.startswith("decoder.up") and ".attn." in name]
    save_file(files, tmp_path / "model.safetensors")
    ours = started_latents("kl", tmp_path, **settings)
    wide = {name: tensor.double() for name, tensor in files.items()}
    pixels = pixels_for(config, 7)
    twin = PublishedVqgan(wide, encoder=[1] * 5, decoder=[2] * 5, sides=[32, 16, 8, 4, 2], attended=(2,))
    with torch.no_grad():
        mean, _ = twin.conv("quant_conv", twin.encode(pixels)).chunk(2, dim=1)
        latents = ours.encode(pixels)
        torch.testing.assert_close(latents, in_places(mean * config.scale, config), **EXACT)
        twin.sides = ()
        torch.testing.assert_close(ours.decode(latents), twin.decode(mean), **EXACT)
    assert not twin.left


def test_the_former_names_of_diffusers_are_read(started_latents: Any, randomise: Any, tmp_path: Path) -> None:
    settings = drawn("sd", 8)
    theirs = randomise(published(KlConfig(**settings)), 8)
    theirs.save_pretrained(tmp_path)
    file = tmp_path / "diffusion_pytorch_model.safetensors"
    former = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = load_file(file)
    for now, before in former.items():
        tensors = {name.replace(f".{now}.", f".{before}."): tensor for name, tensor in tensors.items()}
    save_file(tensors, file, {"format": "pt"})
    compare(started_latents("kl", tmp_path, **settings), AutoencoderKL.from_pretrained(tmp_path), 8)


@pytest.mark.parametrize(("preset", "parameters"), [("sd", 83_653_863), ("sdxl", 83_653_863), ("flux", 83_819_683)])
def test_presets_have_the_shapes_of_the_published_models(preset: str, parameters: int) -> None:
    config = KlConfig(**KL_PRESETS[preset])
    with torch.device("meta"):
        ours, theirs = KlTokenizer(config), published(config)
    keys = diffusers(config)
    pieces = [keys.pieces(name, tensor.shape) for name, tensor in ours.state_dict().items()]
    shapes = {piece.name: piece.shape for of_tensor in pieces for piece in of_tensor or ()}
    assert shapes == {name: tuple(tensor.shape) for name, tensor in theirs.state_dict().items()}
    assert sum(parameter.numel() for parameter in ours.parameters()) == parameters


def test_a_place_is_a_patch_of_latents() -> None:
    assert KlConfig(**KL_PRESETS["flux"], patch=2).latents() == Latents(KlConfig(image_size=512).grid, 64)
    assert KlConfig(**KL_PRESETS["kl-16"]).latents().tokens == 256


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"scaling_factor": 0.5}, r"is 0\.13025 in the recipe, and 0\.5 in the config of the weights"),
        ({"shift_factor": 0.25}, r"is 0\.0 in the recipe, and 0\.25 in the config of the weights"),
        ({"norm_num_groups": 1}, r"is \d in the recipe, and 1 in the config"),
        ({"latents_mean": [0.0]}, "latents_mean, numbers per channel; this tokenizer has one scale and one shift"),
        ({"_class_name": "AutoencoderDC"}, "holds 'AutoencoderDC'; this tokenizer takes 'AutoencoderKL'"),
    ],
)
def test_settings_that_contradict_the_weights_are_refused(
    change: dict[str, Any], sentence: str, started_latents: Any, randomise: Any, tmp_path: Path
) -> None:
    settings = drawn("sdxl", 9)
    randomise(published(KlConfig(**settings)), 9).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(StorageError, match=sentence):
        started_latents("kl", tmp_path, **settings)


def test_a_config_of_another_library_says_nothing_about_the_weights(
    started_latents: Any, randomise: Any, tmp_path: Path
) -> None:
    settings = drawn("flux", 10)
    randomise(published(KlConfig(**settings)), 10).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bagel", "shift_factor": 7}')
    started_latents("kl", tmp_path, **settings)


def test_a_decoder_with_other_levels_of_attention_is_named(
    started_latents: Any, randomise: Any, tmp_path: Path
) -> None:
    settings = drawn("kl-16", 11)
    randomise(published(KlConfig(**settings | {"decoder_attention": [4]})), 11).save_pretrained(tmp_path)
    with pytest.raises(StorageError, match=r"tensors that the part does not have: decoder\.up_blocks\.\*\.attentions"):
        started_latents("kl", tmp_path, **settings)


def test_losses_are_their_formulas(randomise: Any) -> None:
    config = KlConfig(**drawn("sdxl", 12, l1=0.5, l2=2.0, kl=0.01))
    ours, theirs = KlTokenizer(config), randomise(published(config), 12).double()
    keys = diffusers(config)
    state = theirs.state_dict()
    tensors = {name: state[keys.in_files(name)[0]].view(tensor.shape) for name, tensor in ours.state_dict().items()}
    ours.double().load_state_dict(tensors)
    pixels = pixels_for(config, 12)
    with torch.no_grad():
        posterior = theirs.encode(pixels).latent_dist
        for training in (False, True):
            latents = posterior.mode()
            if training:
                torch.manual_seed(3)
                noise = torch.randn(3, latents[0, 0].numel(), config.latent)
                latents = latents + posterior.std * noise.transpose(1, 2).reshape(latents.shape)
            error = theirs.decode(latents).sample - pixels
            expected = {"l1": 0.5 * error.abs().sum(), "l2": 2.0 * error.square().sum()}
            expected = {name: value / pixels[0].numel() for name, value in expected.items()}
            expected["kl"] = 0.01 * posterior.kl().sum()
            torch.manual_seed(3)
            losses, figures = ours.train(training).losses(pixels)
            assert losses.keys() == expected.keys()
            for name, loss in losses.items():
                assert loss.count == 3
                torch.testing.assert_close(loss.total.double(), expected[name], rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(figures["kl"].double(), posterior.kl().mean(), rtol=1e-5, atol=0)
            torch.testing.assert_close(figures["latent_mean"].double(), latents.mean(), rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(figures["latent_std"].double(), latents.std(correction=0), rtol=1e-5, atol=0)


def test_it_learns_the_shapes_by_reconstruction(looking: Any) -> None:
    settings = {"image_size": 16, "channels": 8, "groups": 2, "multipliers": (1, 2), "blocks": 1, "latent": 2}
    settings |= {"patch": 2, "kl": 1e-5}
    torch.manual_seed(0)
    model = build_model(looking("kl", **settings))
    component = registry().find("objective", "reconstruction")
    objective = component.load()(component.config(pathway="seeing"), model)
    source = registry().find("source", "shapes")
    shapes = source.load()(source.config(task="draw", seed=1))
    batch = objective.prepare([shapes.example(index) for index in range(8)], np.random.default_rng(0))
    tokenizer = model.part("seeing.tokenizer").train().requires_grad_(True)
    optimizer = torch.optim.AdamW(tokenizer.parameters(), 3e-3)
    errors, divergences = [], []
    for _ in range(40):
        with torch.autocast("cpu", torch.bfloat16):
            losses, figures = objective.losses(batch)
        errors.append(figures["l2"].item())
        divergences.append(figures["kl"].item())
        sum(loss.mean for loss in losses.values()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert errors[-1] < 0.25 * errors[0]
    assert all(np.isfinite(divergences))
    sheet = objective.samples([shapes.example(index) for index in range(3)])
    assert sheet is not None
    assert sheet.picture.width > sheet.picture.height
    assert sheet.tokenizer is not None
    assert (sheet.tokenizer.vocabulary, sheet.tokenizer.used) == (0, ())


def small() -> KlTokenizer:
    torch.manual_seed(0)
    config = KlConfig(image_size=16, channels=8, groups=2, multipliers=(1, 1, 1), blocks=1, latent=3, patch=2)
    return KlTokenizer(config).eval()


@pytest.mark.parametrize(
    ("latents", "sentence"),
    [
        (torch.zeros(2, 4, 3), r"takes latents as floating-point numbers \[B, 4, 12\] on 2×2, got \[2, 4, 3\]"),
        (torch.zeros(4, 12), r"\[B, 4, 12\] on 2×2, got \[4, 12\]"),
        (torch.zeros(()), r"\[B, 4, 12\] on 2×2, got \[\]"),
        (torch.zeros(2, 4, 12, dtype=torch.int64), r"\[B, 4, 12\] on 2×2, got int64 \[2, 4, 12\]"),
    ],
)
def test_latents_of_another_shape_are_refused(latents: Tensor, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        small().decode(latents)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_latents_that_are_not_finite_are_refused_with_their_place(value: float) -> None:
    latents = torch.zeros(2, 4, 12)
    latents[1, 2, 5] = value
    with pytest.raises(UsageError, match=rf"picture 1 are not finite: value 5 at row 1, column 0 of 2×2 is {value};"):
        small().decode(latents)


def test_noise_of_another_shape_is_refused() -> None:
    with pytest.raises(UsageError, match=r"takes the noise of latents as .* \[2, 4, 12\] on 2×2, got \[1, 4, 12\]"):
        small().encode(torch.zeros(2, 3, 16, 16), torch.zeros(1, 4, 12))


def test_latents_do_not_depend_on_autocast() -> None:
    pixels = torch.rand(2, 3, 16, 16) * 2 - 1
    model = small()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.encode(pixels), model.encode(pixels).float())
        mixed = model.encode(pixels)
    with torch.no_grad():
        assert torch.equal(mixed, model.encode(pixels))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"image_size": 24},
            "image_size 24 is not a multiple of 16: the levels of multipliers divide it by 8, and patch",
        ),
        ({"image_size": 20}, "image_size 20 is not a multiple of 8"),
        ({"encoder_attention": [4]}, "encoder_attention has level 4, but levels are 0 to 3"),
        ({"decoder_attention": [-1]}, "decoder_attention has level -1"),
        ({"order": "qpc"}, "order"),
        ({"scale": 0.0}, "scale"),
        ({"scale": float("inf")}, "scale inf is not a finite number"),
        ({"shift": float("nan")}, "shift nan is not a finite number"),
        ({"kl": -1.0}, "kl"),
        ({"patch": 0}, "patch"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        KlConfig(**{"image_size": 32, "multipliers": (1, 1, 1, 1), "patch": 2} | settings)


@pytest.mark.parametrize("local", [False, True])
def test_a_local_latent_sees_its_own_square_alone(local: bool) -> None:
    settings = {"image_size": 16, "channels": 4, "groups": 2, "multipliers": (1, 1, 1), "blocks": 1, "latent": 2}
    case = Case.draw("tokenizer", "kl", settings | {"local": local}, 3)
    module, pixels = case.build(), case.inputs(1)
    changed = pixels.clone()
    changed[:, :, 4:8, 8:12] += 0.5
    moved = (module.encode(changed) != module.encode(pixels)).any(-1)[0]
    assert bool(moved[1 * 4 + 2])
    assert (int(moved.sum()) == 1) == local
