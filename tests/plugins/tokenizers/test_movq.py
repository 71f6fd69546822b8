"""Emu3's tokenizer: codes and pixels are those of transformers' model, which is read under both known sets of names."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from janiform import (
    Codes,
    CompositionError,
    Conversation,
    Export,
    Grid,
    Model,
    Preview,
    StorageError,
    UsageError,
    build_model,
    generate_codes,
    read_recipe_text,
    registry,
    with_given,
)
from janiform.compose import compose
from janiform_plugins.tokenizers.movq.config import MOVQ_PRESETS, MovqConfig
from janiform_plugins.tokenizers.movq.tokenizer import MovqTokenizer
from janiform_plugins.tokenizers.weights import emu3, emu3_transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import Emu3VQVAEConfig
from transformers.models.emu3.image_processing_emu3 import Emu3ImageProcessor
from transformers.models.emu3.modeling_emu3 import Emu3VQVAE

SIZES = [
    {"grid": (2, 3), "multipliers": (1, 2), "blocks": 1, "frames": 4, "code_width": 4},
    {"grid": (3, 2), "multipliers": (1, 2, 1), "blocks": 2, "frames": 2, "code_width": 3},
    {"grid": (4, 4), "multipliers": (2, 1), "blocks": 1, "frames": 8, "code_width": 5},
    {"grid": (2, 5), "multipliers": (1, 1), "blocks": 2, "frames": 1, "code_width": 2},
]
COMMON = {"channels": 32, "vocabulary": 40}
SMALL = {"grid": (4, 3), "channels": 8, "groups": 2, "multipliers": (1, 2), "blocks": 1, "vocabulary": 16}


def reference(settings: dict[str, Any], randomise: Any, seed: int) -> Emu3VQVAE:
    multipliers = list(settings["multipliers"])
    config = Emu3VQVAEConfig(
        codebook_size=settings["vocabulary"],
        embed_dim=settings["code_width"],
        latent_channels=settings["code_width"],
        temporal_downsample_factor=settings["frames"],
        base_channels=settings["channels"],
        channel_multiplier=multipliers,
        num_res_blocks=settings["blocks"],
        attn_resolutions=[len(multipliers) - 1],
        hidden_size=settings["channels"] * multipliers[-1],
    )
    return randomise(Emu3VQVAE(config), seed)


def in_emu3(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of transformers under the names and in the shapes of ``Emu3VisionVQModel``, undoing its conversion."""
    made = {}
    for name, tensor in tensors.items():
        name = name.replace("down_block.", "").replace("up_block.", "").replace("middle_block", "mid")
        name = re.sub(r"attn_norms\.(\d)", r"attn.\1.norm", name).replace("attn_norm", "attn_1.norm")
        name = re.sub(r"\b([qkv])_proj", r"\1", name).replace("out_proj", "proj_out")
        matrix = re.search(r"attn(_1|\.\d)\.(q|k|v|proj_out)\.weight", name)
        made[name] = (tensor[:, :, None, None] if matrix else tensor).contiguous().clone()
    return made


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("names", ["emu3", "transformers", "whole"])
def test_a_released_tokenizer_gives_the_same_codes_and_pixels(
    sizes: dict[str, Any], names: str, started: Any, randomise: Any, spread: Any, tmp_path: Path
) -> None:
    settings, seed = COMMON | sizes, sizes["frames"]
    theirs = reference(settings, randomise, seed)
    rows, columns = settings["grid"]
    side = 1 << (len(settings["multipliers"]) - 1)
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.rand(3, 3, rows * side, columns * side, generator=generator, dtype=torch.float64) * 2 - 1
    video = theirs.double().encoder(pixels[:, None].repeat(1, settings["frames"], 1, 1, 1)).transpose(1, 2)
    spread(theirs.quantize.embedding.weight, theirs.quant_conv(video)[:, :, 0].movedim(1, -1), seed)
    tensors = dict(theirs.float().state_dict())
    prefix = "model.vqmodel." if names == "whole" else ""
    tensors = in_emu3(tensors) if names == "emu3" else {prefix + name: tensor for name, tensor in tensors.items()}
    save_file(tensors, tmp_path / "model.safetensors")

    ours, theirs = started("movq", tmp_path, **settings), theirs.double()
    with torch.no_grad():
        codes = ours.encode(pixels)
        sides = torch.tensor([[rows * side, columns * side]] * 3)
        assert torch.equal(codes[..., 0], torch.stack(theirs.encode(pixels, sides).image_tokens).flatten(1))
        assert len(codes.unique()) > 4
        expected = theirs.decode(codes.view(3, rows, columns))
        torch.testing.assert_close(ours.decode(codes), expected, rtol=1e-8, atol=1e-8 * expected.abs().max().item())
        assert torch.equal(ours.vectors(codes), theirs.quantize.embedding(codes[..., 0]))


def test_the_preset_has_the_shapes_of_emu3() -> None:
    config = MovqConfig(**MOVQ_PRESETS["emu3"])
    with torch.device("meta"):
        ours, theirs = MovqTokenizer(config), Emu3VQVAE(Emu3VQVAEConfig())
    expected = theirs.state_dict()
    for keys, tensors in ((emu3_transformers(config), expected), (emu3(config), in_emu3(expected))):
        state = ours.state_dict()
        pieces = [piece for name, value in state.items() for piece in keys.pieces(name, value.shape)]
        left = {name: tuple(value.shape) for name, value in tensors.items() if not keys.why_unused(name)}
        assert {piece.name: piece.shape for piece in pieces} == left
    assert config.codes() == Codes(vocabulary=32_768, grid=Grid(90, 90), width=4)
    codes = ours.encode(torch.empty(1, 3, 720, 720, device="meta"))
    assert codes.shape == (1, 8100, 1)
    assert ours.decode(codes).shape == (1, 3, 720, 720)
    assert sum(parameter.numel() for parameter in ours.parameters()) == 270_740_287


def test_its_tensors_are_written_as_transformers_reads_them(drawing: Any, fitted: Any, tmp_path: Path) -> None:
    settings = COMMON | SIZES[0]
    model = fitted(drawing("movq", **settings))
    ours, path = model.part("generation.tokenizer"), "generation.tokenizer"
    ((_, write),) = Export.of(model).writers({path: emu3_transformers(ours.config)}, {}).items()
    write(tmp_path / "model.safetensors")
    theirs = reference(settings, lambda module, seed: module.eval(), 0)
    theirs.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=False)
    codes = torch.randint(40, (2, 6), generator=torch.Generator().manual_seed(0))
    expected = theirs.double().decode(codes.view(2, 2, 3))
    torch.testing.assert_close(ours.double().decode(codes[..., None]), expected, rtol=1e-8, atol=1e-8)


def test_a_tokenizer_of_another_number_of_frames_is_refused(started: Any, randomise: Any, tmp_path: Path) -> None:
    settings = COMMON | SIZES[0]
    save_file(dict(reference(settings, randomise, 0).state_dict()), tmp_path / "model.safetensors")
    with pytest.raises(StorageError, match=r"the files lack encoder\.time_conv\.2\.conv\.conv\.weight"):
        started("movq", tmp_path, **settings | {"frames": 8})
    with pytest.raises(StorageError, match=r"tensors that the part does not have: .*time_conv\.1"):
        started("movq", tmp_path, **settings | {"frames": 2})
    (tmp_path / "config.json").write_text('{"model_type": "chameleon_vqgan"}')
    with pytest.raises(StorageError, match="'chameleon_vqgan'; this tokenizer takes 'emu3_vqgan'"):
        started("movq", tmp_path, **settings)


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_the_loss_of_a_picture_does_not_depend_on_the_others(frames: int) -> None:
    torch.manual_seed(0)
    model = MovqTokenizer(MovqConfig(**SMALL, frames=frames)).train()
    torch.nn.init.normal_(model.quantize.embedding.weight)
    pixels = torch.rand(4, 3, 8, 6) * 2 - 1
    before = {name: value.clone() for name, value in model.state_dict().items()}
    whole = model.losses(pixels)[0]
    parts = [model.losses(part)[0] for part in (pixels[:1], pixels[1:])]
    for name, loss in whole.items():
        torch.testing.assert_close(loss.total, sum(part[name].total for part in parts))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    sum(loss.mean for loss in whole.values()).backward()
    assert not [name for name, parameter in model.named_parameters() if parameter.grad is None]


def test_a_janus_draws_its_codes_and_reconstruction_teaches_it(drawing: Any, fitted: Any) -> None:
    model = fitted(drawing("movq", **SMALL, reseed=20))
    assert model.plan.pathways["generation"].codes == Codes(vocabulary=16, grid=Grid(4, 3), width=4)
    torch.manual_seed(0)
    fresh = MovqTokenizer(model.generation.tokenizer.config)
    model.generation.tokenizer.load_state_dict(fresh.state_dict())
    objective = registry().find("objective", "reconstruction")
    learning = objective.load()(objective.config(), model)
    colours = ((200, 0, 0), (0, 200, 0), (0, 0, 200))
    examples = [Conversation.drawing("a circle", np.full((40, 30, 3), colour, np.uint8)) for colour in colours]
    pictures = learning.prepare(examples, np.random.default_rng(0))
    model.generation.tokenizer.train()
    optimizer = torch.optim.AdamW(model.generation.tokenizer.parameters(), 3e-3)
    errors = []
    for _ in range(40):
        with torch.autocast("cpu", torch.bfloat16):
            losses, figures = learning.losses(pictures)
        errors.append(figures["l2"].item())
        sum(loss.mean for loss in losses.values()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert errors[-1] < 0.3 * errors[0]
    assert learning.samples(examples).picture.width > 3 * 128


@given(rows=st.integers(3, 9), columns=st.integers(3, 9), more=st.tuples(st.integers(-3, 3), st.integers(-3, 3)))
def test_pictures_of_the_grids_proportions_are_scaled_as_in_emu3(
    rows: int, columns: int, more: tuple[int, int]
) -> None:
    sides = (8 * rows + more[0], 8 * columns + more[1])
    scale = (64 * rows * columns / math.prod(sides)) ** 0.5
    assume([round(side * scale / 8) for side in sides] == [rows, columns])  # Emu3's rule for pictures to draw
    pixels = np.random.default_rng(rows).integers(0, 256, (*sides, 3), dtype=np.uint8)
    processor = Emu3ImageProcessor(
        image_mean=[0.5] * 3, image_std=[0.5] * 3, min_pixels=1, max_pixels=10**6, spatial_factor=8
    )
    expected = torch.from_numpy(np.asarray(processor(Image.fromarray(pixels))["pixel_values"][0]))
    given_pixels = MovqConfig(grid=(rows, columns)).transform()(pixels)
    torch.testing.assert_close(given_pixels, expected, rtol=0, atol=2e-7)


def test_the_grid_need_not_be_square() -> None:
    config = MovqConfig(grid=(60, 120))
    assert config.transform()(Image.new("RGB", (31, 17))).shape == (3, 480, 960)
    assert config.codes().grid == Grid(60, 120)
    model = MovqTokenizer(MovqConfig(**SMALL | {"grid": (3, 5)})).eval()
    codes = model.encode(torch.rand(2, 3, 6, 10) * 2 - 1)
    assert codes.shape == (2, 15, 1)
    assert model.decode(codes).shape == (2, 3, 6, 10)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"grid": (90,)}, r"grid \[90\] is not a number of rows and a number of columns, such as \[90, 90\]"),
        ({"grid": (3, 0)}, r"grid \[3, 0\] is not a number of rows"),
        ({"frames": 3}, "frames 3 is not a power of two from 1 to 64"),
        ({"frames": 0}, "frames 0 is not a power of two"),
        ({"channels": 9}, "channels 9 is not a multiple of groups 2"),
        ({"multipliers": ()}, "multipliers"),
    ],
)
def test_impossible_sizes_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MovqConfig(**SMALL | settings)


def test_ends_of_rows_are_given_and_neither_predicted_nor_decoded(drawing: Any, fitted: Any) -> None:
    plain, model = fitted(drawing("movq", **SMALL)), fitted(drawing("movq", **SMALL, line_ends=True))
    port = model.plan.pathways["generation"].codes
    ends = [3, 7, 11, 15]
    assert (port.grid, port.given) == (Grid(4, 4), dict.fromkeys(ends, 16))
    tokenizer, beside = model.part("generation.tokenizer"), plain.part("generation.tokenizer")
    beside.load_state_dict(tokenizer.state_dict())
    pixels = torch.rand(2, 3, 8, 6) * 2 - 1
    codes = tokenizer.encode(pixels)
    assert torch.equal(codes[:, port.predicted], beside.encode(pixels))
    assert (codes[:, ends] == 16).all()
    assert torch.equal(tokenizer.decode(codes), beside.decode(beside.encode(pixels)))
    assert not tokenizer.vectors(codes)[:, ends].any()

    previews: list[Preview] = []
    drawn = generate_codes(model, [model.processor.drawing_prompt("a circle")] * 2, seeds=[1, 2], guidance=2.0)
    assert torch.equal(drawn, with_given(drawn, port))
    assert int(drawn[:, port.predicted].max()) < 16
    Model(model).generate("a circle", 2, on_preview=previews.append, preview_every=1)
    assert len(previews) == 15

    objective = registry().find("objective", "autoregressive")
    learning = objective.load()(objective.config(text_dropout=0.0), model)
    batch = learning.prepare([Conversation.drawing("a circle", codes[0].numpy())], np.random.default_rng(0))
    loss = learning.losses(batch)[0]["generation"]
    assert loss.count.item() == learning.counts(batch)["generation"] == 12
    states = model.hidden(batch)[0]
    first = int(batch.pictures["generation"].positions[0, 0])
    logits = model.part("generation.head")(states[[first + place - 1 for place in port.predicted]])
    expected = torch.nn.functional.cross_entropy(logits, codes[0, port.predicted, 0], reduction="sum")
    torch.testing.assert_close(loss.total, expected)
    with pytest.raises(UsageError, match="16 at place 3"):
        model.processor.pixels(torch.zeros(16, 1, dtype=torch.int64), "generation")


def test_codes_and_ends_of_rows_are_ids_of_the_text() -> None:
    recipe = """
    recipe = 1
    name = "small-emu3"
    understanding = { share = "generation" }
    backbone = { use = "llama", vocabulary = 40, width = 16, inner = 32, layers = 1, heads = 2, context = 256 }
    layout = { use = "janus" }
    [generation]
    tokenizer = { use = "movq", grid = [4, 3], channels = 8, groups = 4, multipliers = [1, 1], blocks = 1, vocabulary = 16, line_ends = true }
    embedding = { use = "shared", first = 10, in_text = true, given = [7] }
    adapter = { use = "identity" }
    head = { use = "shared", first = 10, in_text = true, given = [7], softmax = "codes" }
    """  # noqa: E501
    plan = compose(read_recipe_text(recipe))
    assert plan.text_ids == (range(10), range(26, 40))
    model = build_model(plan, seed=0)
    table = model.part("backbone").embed_tokens.weight
    codes = torch.tensor([[[3], [16], [15], [0]]])
    embedded = model.part("understanding.embedding")(codes)[0]
    assert torch.equal(embedded, table[torch.tensor([13, 7, 25, 10])])
    wrong = recipe.replace("given = [7]", "given = []")
    with pytest.raises(CompositionError, match="has 1 codes that are only given, and the setting 'given' has the ids"):
        compose(read_recipe_text(wrong))
