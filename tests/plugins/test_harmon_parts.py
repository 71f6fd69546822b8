"""Harmon's names, sizes and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from harmon_models import WIDTH, model_of, tiny
from janiform import CompositionError, Grid, Hidden, Latents, build_model, read_recipe, read_recipe_text
from janiform.compose import compose
from janiform.train.run.start import begin
from janiform_plugins.adapters.weights import HARMON as ADAPTER
from janiform_plugins.backbones.decoder.weights import harmon as llm_names
from janiform_plugins.embeddings.config import MAR_PRESETS, MarEmbeddingConfig
from janiform_plugins.embeddings.mar import MarEmbedding
from janiform_plugins.embeddings.weights import MAR
from janiform_plugins.heads.config import MAR_HEAD_PRESETS, MarHeadConfig
from janiform_plugins.heads.mar import MarHead
from janiform_plugins.heads.weights import HARMON
from safetensors.torch import save_file
from torch import Tensor


def test_released_names_are_those_of_the_code() -> None:
    """All tensors of ``mar.*``, ``proj_in`` and ``proj_out``, but the classes of ImageNet that Harmon does not use."""
    block = {f"{part}.{kind}" for part in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
             for kind in ("weight", "bias")}  # fmt: skip
    lent = {
        f"mar.{name}.{kind}" for name in ("z_proj", "z_proj_ln", "encoder_norm", "decoder_embed", "decoder_norm")
        for kind in ("weight", "bias")
    }  # fmt: skip
    lent |= {f"mar.{half}_blocks.{i}.{name}" for half in ("encoder", "decoder") for i in range(2) for name in block}
    lent |= {f"mar.{half}_pos_embed_learned" for half in ("encoder", "decoder", "diffusion")}
    lent |= {"mar.fake_latent", "mar.mask_token"}
    net = ["time_embed.mlp.0", "time_embed.mlp.2", "cond_embed", "input_proj", "final_layer.linear"]
    net += ["final_layer.adaLN_modulation.1"]
    net += [f"res_blocks.{i}.{name}" for i in range(2) for name in ("in_ln", "mlp.0", "mlp.2", "adaLN_modulation.1")]
    lent |= {f"mar.diffloss.net.{name}.{kind}" for name in net for kind in ("weight", "bias")}
    lent |= {f"proj_out.{i}.{kind}" for i in (0, 2) for kind in ("weight", "bias")}
    model = model_of()
    named: set[str] = set()
    for part, keys in (("embedding", MAR.below("mar.")), ("head", HARMON)):
        for name, value in model.part(f"generation.{part}").state_dict().items():
            pieces = keys.pieces(name, value.shape)
            assert pieces is not None, name
            named |= {piece.name for piece in pieces}
    assert named == lent


def test_a_model_begins_with_a_file_of_harmon_s_names(tmp_path: Path) -> None:
    """The language model below ``llm``, MAR below ``mar``, and the layers between them."""
    released, names = model_of(), dict[str, Tensor]()
    for path, keys in (
        ("backbone", llm_names(released.plan.parts["backbone"].use.config)),
        ("generation.embedding", MAR.below("mar.")),
        ("generation.adapter", ADAPTER),
        ("generation.head", HARMON),
    ):
        for name, value in released.part(path).state_dict().items():
            start = 0
            for piece in keys.pieces(name, value.shape) or ():
                rows = piece.rows or slice(start, start + piece.shape[0])
                names[piece.name] = value[rows].reshape(piece.shape).clone().contiguous()
                start = rows.stop
    names["mar.class_emb.weight"] = torch.randn(1000, WIDTH)
    save_file(names, tmp_path / "model.safetensors")
    torch.manual_seed(5)
    model = build_model(compose(read_recipe_text(tiny())))
    parts = ("backbone", "generation.embedding", "generation.adapter", "generation.head")
    begin(model, dict.fromkeys(parts, str(tmp_path)), print)
    for path in parts:
        given, expected = model.part(path).state_dict(), released.part(path).state_dict()
        assert all(torch.equal(given[name], expected[name]) for name in expected), path
    assert {"llm.model.embed_tokens.weight", "proj_in.2.weight", "mar.diffloss.net.input_proj.bias"} <= names.keys()


def test_the_sizes_are_those_of_the_papers() -> None:
    plan = compose(read_recipe("harmon-1.5b"))
    drawing, looking = plan.pathways["generation"], plan.pathways["understanding"]
    assert (drawing.tokens, looking.tokens, drawing.latents.tokens) == (1088, 1088, 1024)  # type: ignore[union-attr]
    assert (drawing.features.trail, drawing.drops_hidden, drawing.draws_places) == (64, True, True)
    assert not looking.drops_hidden
    head, embedding = (plan.parts[f"generation.{name}"].use.config for name in ("head", "embedding"))
    assert (embedding.width, embedding.layers, embedding.heads, embedding.table) == (1280, 20, 16, 16)
    assert (head.net_width, head.net_depth, head.steps, head.clip) == (1536, 12, 100, 0)
    assert {name: sizes["layers"] for name, sizes in MAR_PRESETS.items()} == {"base": 12, "large": 16, "huge": 20}
    assert MAR_HEAD_PRESETS["base"]["net_width"] == 1024


@pytest.mark.parametrize("preset", MAR_PRESETS)
def test_the_presets_have_the_shapes_of_the_code(preset: str) -> None:
    """Sizes of some tensors of each layer, as MAR's ``mar_base``, ``mar_large`` and ``mar_huge`` define them."""
    width, layers, net, depth = {
        "base": (768, 12, 1024, 6),
        "large": (1024, 16, 1280, 8),
        "huge": (1280, 20, 1536, 12),
    }[preset]
    latents, hidden = Latents(Grid(16, 16), 16), Hidden(1536, 64, 64, 1, 1, 8)
    shapes: dict[str, tuple[int, ...]] = {}
    with torch.device("meta"):
        encoder = MarEmbedding(MarEmbeddingConfig(**MAR_PRESETS[preset]), latents, hidden)
        decoder = MarHead(MarHeadConfig(**MAR_HEAD_PRESETS[preset]), hidden, latents)
    for part, keys in ((encoder, MAR.below("mar.")), (decoder, HARMON)):
        for name, value in part.state_dict().items():
            shapes |= {piece.name: piece.shape for piece in keys.pieces(name, value.shape) or ()}
    expected = {
        "mar.z_proj.weight": (width, 16),
        "mar.fake_latent": (1, width),
        "mar.encoder_pos_embed_learned": (1, 320, width),
        f"mar.encoder_blocks.{layers - 1}.attn.qkv.weight": (3 * width, width),
        f"mar.decoder_blocks.{layers - 1}.mlp.fc1.weight": (4 * width, width),
        "mar.mask_token": (1, 1, width),
        "mar.decoder_pos_embed_learned": (1, 320, width),
        "mar.diffusion_pos_embed_learned": (1, 256, width),
        "mar.diffloss.net.time_embed.mlp.0.weight": (net, 256),
        "mar.diffloss.net.cond_embed.weight": (net, width),
        f"mar.diffloss.net.res_blocks.{depth - 1}.adaLN_modulation.1.weight": (3 * net, net),
        "mar.diffloss.net.final_layer.linear.weight": (32, net),
        "proj_out.0.weight": (1536, 1536),
        "proj_out.2.weight": (width, 1536),
    }
    assert {name: shapes[name] for name in expected} == expected
    assert f"mar.encoder_blocks.{layers}.norm1.weight" not in shapes
    assert f"mar.diffloss.net.res_blocks.{depth}.in_ln.weight" not in shapes


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            'head = { use = "mar", width = 12 -> head = { use = "mar", width = 16',
            "use embedding 'mar' with the same width and buffer",
        ),
        (
            '"mar", width = 12, layers = 2, heads = 2, buffer = 3 } -> "patches", mask = true }',
            "use embedding 'mar' with the same",
        ),
        (
            'use = "mar", width = 12, layers = 2, heads = 2, buffer = 3, net_width = 16, net_depth = 2, -> '
            'use = "diffusion", width = 16, depth = 2,',
            "gives 3 vectors behind those of the places, which the head 'diffusion' does not know of",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: str, sentence: str) -> None:
    with pytest.raises(CompositionError, match=sentence):
        build_model(compose(read_recipe_text(tiny(change))))


def test_a_recurrent_backbone_is_refused() -> None:
    text = tiny(
        'use = "qwen2" -> use = "bamba"\nattention = [1]\nmamba_heads = 4',
    )
    with pytest.raises(CompositionError, match="leaves out the hidden places of a picture, but in"):
        compose(read_recipe_text(text))
