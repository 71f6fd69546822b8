"""Adapters: what each derives and refuses, that it computes what others' code does, and that a model learns with it."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.embeddings import get_2d_sincos_pos_embed
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import (
    Codes,
    CompositionError,
    Conversation,
    Features,
    Grid,
    Hidden,
    PortMismatch,
    open_model,
    read_recipe,
    registry,
    save_model,
)
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.recipe import Pathway, Use
from janiform_plugins.adapters.pixel_shuffle import merge
from janiform_plugins.objectives.next_token import next_token_losses
from torch import nn
from torch.nn.functional import gelu, layer_norm, linear, pixel_unshuffle
from transformers import Idefics3Config, InternVLConfig, InternVLVisionConfig, LlamaConfig, Qwen2Config
from transformers.models.idefics3.configuration_idefics3 import Idefics3VisionConfig
from transformers.models.idefics3.modeling_idefics3 import Idefics3Connector
from transformers.models.internvl.modeling_internvl import InternVLModel, InternVLMultiModalProjector

ADAPTERS: dict[str, dict[str, Any]] = {
    "mlp": {},
    "linear": {},
    "identity": {},
    "pixel-shuffle": {},
    "resampler": {"queries": 3, "layers": 2, "heads": 2},
}


def hidden_of(width: int) -> Hidden:
    return Hidden(width=width, vocabulary=50, context=64, layers=1, kv_heads=1, head_width=width)


def make(name: str, source: Features, width: int, /, **settings: Any) -> tuple[Features, nn.Module]:
    component = registry().find("adapter", name)
    config = component.config(**settings)
    return config.adapt(source, hidden_of(width)), component.load()(config, source, hidden_of(width))


def use(name: str, **settings: Any) -> Use:
    component = registry().find("adapter", name)
    return Use("adapter", component, component.config(**settings))


@pytest.mark.parametrize("name", ADAPTERS)
@settings(max_examples=25)
@given(
    rows=st.integers(1, 3), height=st.integers(1, 3), across=st.integers(1, 3), width=st.integers(1, 6),
    hidden=st.integers(1, 4), seed=st.integers(0, 99),
)  # fmt: skip
def test_an_adapter_gives_what_its_port_says_each_picture_alone_and_all_its_weights_learn(
    name: str, rows: int, height: int, across: int, width: int, hidden: int, seed: int
) -> None:
    torch.manual_seed(seed)
    hidden *= 2
    width = hidden if name == "identity" else width
    grid = Grid(2 * height, 2 * across)
    port, module = make(name, Features(grid.size, width, grid), hidden, **ADAPTERS[name])
    features = torch.randn(rows, grid.size, width, requires_grad=True)
    adapted = module(features)
    assert adapted.shape == (rows, port.tokens, port.width)
    assert port.width == hidden
    assert port.grid is None or port.grid.size == port.tokens
    (seen,) = torch.autograd.grad((adapted[-1] * torch.randn_like(adapted[-1])).sum(), features, retain_graph=True)
    assert not seen[:-1].any()
    torch.testing.assert_close(module(features[-1:]), adapted[-1:])
    adapted.square().sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_tokens_are_kept_merged_or_replaced() -> None:
    source = Features(24, 6, Grid(4, 6))
    for name in ("mlp", "linear", "identity"):
        assert make(name, source, 6)[0] == source
    assert make("pixel-shuffle", source, 8)[0] == Features(6, 8, Grid(2, 3))
    assert make("pixel-shuffle", source, 8, factor=1)[0] == Features(24, 8, Grid(4, 6))
    assert make("resampler", source, 8, queries=5)[0] == Features(5, 8)
    assert make("resampler", Features(7, 6), 8, queries=5)[0] == Features(5, 8)


@pytest.mark.parametrize("name", ADAPTERS)
def test_codes_are_refused(name: str) -> None:
    config = registry().find("adapter", name).config()
    with pytest.raises(
        PortMismatch, match=f"adapter '{name}' needs features .* but its source is codes .*: add an embedding"
    ):
        config.adapt(Codes(vocabulary=20, grid=Grid(2, 2), width=5), hidden_of(8))


@pytest.mark.parametrize(
    ("name", "settings", "source", "message"),
    [
        ("identity", {}, Features(4, 6), "the width of the features, which is 6, but the backbone has a width of 8"),
        ("pixel-shuffle", {}, Features(4, 6), r"features \[B, 4, 6\] are not on a grid"),
        ("pixel-shuffle", {}, Features(12, 6, Grid(4, 3)), "squares of 2×2 features, which do not fill a grid of 4×3"),
        ("pixel-shuffle", {"factor": 4}, Features(24, 6, Grid(6, 4)), "do not fill a grid of 6×4"),
        ("resampler", {"heads": 3}, Features(4, 6), "hidden width of 8, which is not a multiple of 3 heads"),
    ],
)
def test_what_does_not_fit_is_said(name: str, settings: dict[str, Any], source: Features, message: str) -> None:
    with pytest.raises(PortMismatch, match=message):
        registry().find("adapter", name).config(**settings).adapt(source, hidden_of(8))


def test_a_resampler_with_heads_that_do_not_divide_its_own_width_is_refused() -> None:
    with pytest.raises(ValueError, match="width 10 is not a multiple of heads 4"):
        use("resampler", width=10, heads=4)


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_adapter_is_its_matrix(bias: bool) -> None:
    _, module = make("linear", Features(4, 6), 8, bias=bias)
    assert [name for name, _ in module.named_parameters()] == (
        ["proj.weight", "proj.bias"] if bias else ["proj.weight"]
    )
    features = torch.randn(2, 4, 6)
    expected = features @ module.proj.weight.T + (module.proj.bias if bias else 0)
    torch.testing.assert_close(module(features), expected)


def test_an_mlp_with_waves_is_the_connector_of_bagel() -> None:
    """``fc1``, GELU by tanh, ``fc2``, and the fixed positions of column and row, which diffusers has as well."""
    source = Features(tokens=9, width=6, grid=Grid(3, 3))
    _, adapter = make("mlp", source, 8, activation="gelu-tanh", positions="waves")
    x = torch.randn(2, 9, 6)
    first, second = adapter.layers[0], adapter.layers[2]
    positions = torch.as_tensor(get_2d_sincos_pos_embed(8, 3, interpolation_scale=1.0, base_size=3, output_type="pt"))
    expected = (
        linear(gelu(linear(x, first.weight, first.bias), approximate="tanh"), second.weight, second.bias)
        + positions.float()
    )
    torch.testing.assert_close(adapter(x), expected, atol=1e-5, rtol=1e-5)
    assert len(adapter.state_dict()) == 4
    with pytest.raises(PortMismatch, match="are not on a grid"):
        make("mlp", Features(9, 6), 8, positions="waves")
    with pytest.raises(PortMismatch, match="a multiple of 4, but the backbone has 6"):
        make("mlp", source, 6, positions="waves")


def test_an_identity_is_nothing() -> None:
    _, module = make("identity", Features(4, 8), 8)
    features = torch.randn(2, 4, 8)
    assert module(features) is features
    assert not list(module.parameters())


@settings(max_examples=25)
@given(
    factor=st.integers(1, 4), height=st.integers(1, 3), across=st.integers(1, 3), width=st.integers(1, 5),
)  # fmt: skip
def test_merged_features_follow_one_another_row_by_row(factor: int, height: int, across: int, width: int) -> None:
    h, w = factor * height, factor * across
    features = torch.randn(2, h * w, width)
    merged = merge(features, Grid(height, across), factor)
    maps = features.view(2, h, w, width).permute(0, 3, 1, 2)
    channel_first = pixel_unshuffle(maps, factor).view(2, width, factor**2, height * across)
    assert torch.equal(merged, channel_first.permute(0, 3, 2, 1).flatten(2))


def test_merging_is_idefics3s() -> None:
    config = Idefics3Config(
        vision_config=Idefics3VisionConfig(hidden_size=6, num_attention_heads=2).to_dict(),
        text_config=LlamaConfig(hidden_size=12, num_attention_heads=2).to_dict(),
        scale_factor=3,
    )
    reference = Idefics3Connector(config)
    _, module = make("pixel-shuffle", Features(36, 6, Grid(6, 6)), 12, factor=3, depth=1, norm=False)
    with torch.no_grad():
        module.mlp.layers[0].weight.copy_(reference.modality_projection.proj.weight)
        module.mlp.layers[0].bias.zero_()
    features = torch.randn(2, 36, 6)
    torch.testing.assert_close(module(features), reference(features), atol=1e-5, rtol=1e-5)


def test_merging_with_a_norm_is_internvls() -> None:
    config = InternVLConfig(
        vision_config=InternVLVisionConfig(hidden_size=6, num_attention_heads=2).to_dict(),
        text_config=Qwen2Config(hidden_size=12, num_attention_heads=2).to_dict(),
    )
    reference = InternVLMultiModalProjector(config)
    _, module = make("pixel-shuffle", Features(16, 6, Grid(4, 4)), 12)
    with torch.no_grad():
        reference.layer_norm.weight.normal_()
        module.norm.load_state_dict(reference.layer_norm.state_dict())
        module.mlp.layers[0].load_state_dict(reference.linear_1.state_dict())
        module.mlp.layers[2].load_state_dict(reference.linear_2.state_dict())
    features = torch.randn(2, 16, 6)
    merged = InternVLModel.pixel_shuffle(None, features.view(2, 4, 4, 6), 0.5).flatten(1, 2)
    torch.testing.assert_close(module(features), reference(merged), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mutual", [True, False])
def test_a_resampler_is_cross_attention_and_an_mlp_in_turn(mutual: bool) -> None:
    torch.manual_seed(0)
    _, module = make("resampler", Features(7, 5), 6, queries=3, layers=2, heads=2, width=8, inner=10, mutual=mutual)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    state = {name: parameter.detach() for name, parameter in module.named_parameters()}
    features = torch.randn(2, 7, 5)
    seen = linear(features, state["input.weight"], state["input.bias"])
    x = state["queries"].expand(2, -1, -1)
    for index in range(2):
        own = {
            name.removeprefix(f"blocks.{index}."): value for name, value in state.items() if f"blocks.{index}." in name
        }
        twin = nn.MultiheadAttention(8, 2, batch_first=True)
        twin.load_state_dict(
            {
                "in_proj_weight": torch.cat((own["attention.q.weight"], own["attention.kv.weight"])),
                "in_proj_bias": torch.cat((own["attention.q.bias"], own["attention.kv.bias"])),
                "out_proj.weight": own["attention.proj.weight"],
                "out_proj.bias": own["attention.proj.bias"],
            }
        )
        queries = layer_norm(x, (8,), own["query_norm.weight"], own["query_norm.bias"])
        keys = layer_norm(seen, (8,), own["feature_norm.weight"], own["feature_norm.bias"])
        keys = torch.cat((keys, queries), dim=1) if mutual else keys
        x = x + twin(queries, keys, keys)[0]
        inside = linear(
            layer_norm(x, (8,), own["mlp_norm.weight"], own["mlp_norm.bias"]), own["fc1.weight"], own["fc1.bias"]
        )
        x = x + linear(gelu(inside), own["fc2.weight"], own["fc2.bias"])
    expected = linear(layer_norm(x, (8,), state["norm.weight"], state["norm.bias"]),
                      state["output.weight"], state["output.bias"])  # fmt: skip
    torch.testing.assert_close(module(features), expected)


def picture(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)


def plan_with(make_plan: Any, understanding: Use, **settings: Any) -> Any:
    encoder = registry().find("encoder", "siglip")
    config = encoder.config(image_size=16, patch_size=8, width=32, layers=1, heads=2)
    looking = {"encoder": Use("encoder", encoder, config), "adapter": understanding}
    return make_plan({"understanding": Pathway("understanding", "look", looking)}, **settings)


@pytest.mark.parametrize(("name", "tokens"), [("linear", 4), ("identity", 4), ("pixel-shuffle", 1), ("resampler", 3)])
def test_a_janus_looks_through_it_and_learns(
    name: str, tokens: int, make_plan: Any, fitted: Any, tmp_path: Any
) -> None:
    plan = plan_with(make_plan, use(name, **ADAPTERS[name]))
    assert plan.pathways["understanding"].tokens == tokens
    model = fitted(plan)
    examples = [
        Conversation.asking("is it red?", picture(1), answer="red"),
        Conversation.drawing("a red circle", picture(2)),
    ]
    batch = model.processor.collate([model.processor.sequence(example) for example in examples])
    assert batch.pictures["understanding"].positions.shape == (1, tokens)
    losses = next_token_losses(model, batch)
    assert losses.keys() == {"understanding", "generation"}
    losses["understanding"].mean.backward()
    adapter, encoder = model.part("understanding.adapter"), model.part("understanding.encoder")
    assert all(parameter.grad.abs().sum() > 0 for parameter in (*adapter.parameters(), encoder.patch_embed.weight)
               if parameter.dim() > 1)  # fmt: skip

    save_model(model, tmp_path / "model")
    again = open_model(tmp_path / "model")
    with torch.no_grad():
        for loss, other in zip(losses.values(), next_token_losses(again, batch).values(), strict=True):
            torch.testing.assert_close(loss.total, other.total)


@pytest.mark.parametrize(("name", "width"), [("linear", 0), ("identity", 32)])
def test_a_janus_draws_through_what_maps_each_code_alone(name: str, width: int, make_plan: Any) -> None:
    parts = dict(make_plan(**{"generation.embedding": {"width": width}}).recipe.pathways["generation"].parts)
    plan = make_plan({"generation": Pathway("generation", "draw", parts | {"adapter": use(name)})})
    model = build_model(plan, parts=["generation"])
    codes = torch.randint(24, (2, plan.pathways["generation"].tokens, 1))
    whole = model.embed_drawn(codes, "generation")
    assert whole.shape == (2, 16, 32)
    torch.testing.assert_close(model.embed_drawn(codes[:, 5:6], "generation"), whole[:, 5:6])


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("pixel-shuffle", {}, r"gives features \[B, 4, 32\] on 2×2, but each of the 16 codes takes one position"),
        ("resampler", {"queries": 3}, r"gives features \[B, 3, 32\], but each of the 16 codes takes one position"),
        ("resampler", {"queries": 16}, "mixes the codes of a picture, but they are drawn one after the other"),
    ],
)
def test_a_janus_does_not_draw_through_what_mixes_codes(
    name: str, settings: dict[str, Any], message: str, make_plan: Any
) -> None:
    parts = dict(make_plan().recipe.pathways["generation"].parts)
    with pytest.raises(CompositionError, match=f"generation.adapter: {name}@1 {message}") as error:
        make_plan({"generation": Pathway("generation", "draw", parts | {"adapter": use(name, **settings)})})
    assert len(error.value.problems) == 1


def test_janus_pro_looks_with_a_quarter_of_the_positions() -> None:
    plan = compose(read_recipe("janus-pro-1b", ['understanding.adapter.use="pixel-shuffle"']))
    assert plan.pathways["understanding"].tokens == 144
    assert plan.pathways["understanding"].features == Features(144, 2048, Grid(12, 12))
    assert plan.pathways["generation"].tokens == 576
    assert compose(read_recipe("janus-pro-1b")).pathways["understanding"].tokens == 576
