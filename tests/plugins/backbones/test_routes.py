"""Several sets of weights in one backbone: equal to one set where they are equal, and apart where they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import CompositionError, Mask, Routes, generate_codes, registry, weight_files
from janiform.compose import compose
from janiform.storage.matching import match
from janiform_plugins.backbones.decoder.weights import causal_lm

SMALL = {"width": 32, "inner": 48, "layers": 2, "heads": 4, "vocabulary": 320, "context": 256}


def backbone(name: str = "llama", seed: int = 0, **more: Any) -> Any:
    component = registry().find("backbone", name)
    torch.manual_seed(seed)
    module = component.load()(component.config(**SMALL, **more)).double().eval()
    return module.requires_grad_(False)


def sets_of(numbers: torch.Tensor, count: int = 2) -> Routes:
    return Routes.of(numbers, count)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 3), st.integers(1, 9), st.sampled_from(["llama", "qwen3", "chameleon"]))
def test_equal_sets_are_one_set(seed: int, rows: int, length: int, name: str) -> None:
    plain, routed = backbone(name), backbone(name, routes=("gen", "other"))
    routed.load_state_dict({**_copies(routed, plain)})
    torch.manual_seed(seed)
    x = torch.randn(rows, length, 32, dtype=torch.float64)
    positions = torch.arange(length).expand(rows, -1)
    numbers = torch.randint(3, (rows, length))
    expected = plain(x, positions, Mask.causal())
    torch.testing.assert_close(routed(x, positions, Mask.causal(), routes=sets_of(numbers, 3)), expected)
    torch.testing.assert_close(routed(x, positions, Mask.causal()), expected)


def _copies(routed: Any, plain: Any) -> dict[str, torch.Tensor]:
    tensors = plain.state_dict()
    found = {}
    for name in routed.state_dict():
        base = name.replace(".gen.", ".").replace(".other.", ".").removeprefix("gen.").removeprefix("other.")
        found[name] = tensors[base]
    return found


def test_each_position_uses_its_own_set_only() -> None:
    """Positions of one set see those of the other through attention, so what is compared is the first position."""
    routed = backbone(routes=("gen",))
    for name, parameter in routed.named_parameters():
        if ".gen." in name or name.startswith("gen."):
            parameter.add_(torch.randn_like(parameter) * 0.3)
    x, positions = torch.randn(1, 4, 32, dtype=torch.float64), torch.arange(4)[None]
    first = routed(x[:, :1], positions[:, :1], Mask.causal(), routes=Routes.only(0, 2))
    second = routed(x[:, :1], positions[:, :1], Mask.causal(), routes=Routes.only(1, 2))
    assert not torch.allclose(first, second)
    for numbers, expected in (([0, 1, 1, 0], first), ([1, 0, 1, 1], second)):
        mixed = routed(x, positions, Mask.causal(), routes=sets_of(torch.tensor([numbers])))
        torch.testing.assert_close(mixed[:, :1], expected)


def test_a_set_can_be_trained_alone() -> None:
    routed = backbone(routes=("gen",)).requires_grad_(True)
    x, positions = torch.randn(2, 5, 32, dtype=torch.float64), torch.arange(5).expand(2, -1)
    numbers = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1]])
    routed(x, positions, Mask.causal(), routes=sets_of(numbers)).square().sum().backward()
    with_gradient = {name for name, parameter in routed.named_parameters() if parameter.grad is not None}
    assert {name for name in with_gradient if ".gen." in name}
    assert {name for name in with_gradient if ".gen." not in name}


def test_further_sets_begin_with_the_weights_of_a_file(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    released = LlamaConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
                           vocab_size=320)  # fmt: skip
    LlamaForCausalLM(released).save_pretrained(tmp_path)
    routed = backbone(routes=("gen",)).float()
    files = weight_files(tmp_path)
    placed = match({"backbone": routed}, {"backbone": causal_lm(routed.config)}, files).placed["backbone"]
    assert set(placed) == set(routed.state_dict())
    assert placed["layers.1.gen.mlp.down_proj.weight"][0].name == placed["layers.1.mlp.down_proj.weight"][0].name


@pytest.fixture(scope="module")
def model(make_plan: Any, fitted: Any) -> Any:
    return fitted(routed_plan(make_plan))


def routed_plan(make_plan: Any, route: str = "gen") -> Any:
    recipe = make_plan(backbone={"routes": ("gen",)}).recipe
    pathways = {**recipe.pathways, "generation": evolve(recipe.pathways["generation"], route=route)}
    return compose(evolve(recipe, pathways=pathways))


def test_batches_carry_the_routes_of_pathways(model: Any) -> None:
    batch = model.processor.collate([model.processor.drawing_prompt("a circle")])
    assert batch.routes.one == 0
    assert model.plan.pathways["generation"].route == 1
    assert model.plan.pathways["understanding"].route == 0


def test_drawing_reads_codes_with_their_own_set(model: Any) -> None:
    """Step by step with a cache as in one forward of the whole sequence."""
    for name, parameter in model.backbone.named_parameters():
        if ".gen." in name:
            parameter.data.add_(torch.randn_like(parameter) * 0.1)
    prompt = model.processor.drawing_prompt("a small red circle")
    codes = generate_codes(model, [prompt], guidance=1, temperature=0)
    drawn = evolve(
        prompt,
        spans=(*prompt.spans, *model.processor.canvas("generation").with_pictures([codes[0]]).spans),
    )
    batch = model.processor.collate([drawn])
    with torch.no_grad():
        states = model.hidden(batch)[0]
        places = batch.pictures["generation"].positions[0] - 1
        assert model.generation.head(states[places]).argmax(-1).tolist() == codes[0, :, 0].tolist()


def test_an_unknown_route_is_refused(make_plan: Any) -> None:
    with pytest.raises(CompositionError, match="has the routes gen; got 'gem'"):
        routed_plan(make_plan, "gem")


@pytest.mark.parametrize("name", ["a b", "attention", "norm"])
def test_names_of_routes_are_checked(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a route"):
        registry().find("backbone", "llama").config(routes=(name,))
