"""Muon's update is an orthogonal one of AdamW's size, for matrices only; a step that is not finite changes nothing."""

from __future__ import annotations

import pytest
import torch
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Recipe, registry
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.planning.weights import Weights
from janiform.recipe import Use
from janiform.train.checkpoints.checkpoint import Position
from janiform.train.data.seeding import seeds_of
from janiform.train.loop.muon import COEFFICIENTS, ITERATIONS, RMS, Muon, orthogonal
from janiform.train.loop.optim import clip_gradients, make_optimizers, skip_where
from janiform.train.loop.precision import arithmetic, fast_bfloat16
from janiform.train.loop.stage import StageRun
from torch import nn

CPU = torch.device("cpu")


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_singular_vectors_stay_and_singular_values_become_one(count: int, m: int, n: int, seed: int) -> None:
    matrices = torch.randn(count, m, n, generator=torch.Generator().manual_seed(seed))
    left, values, right = torch.linalg.svd(matrices.double(), full_matrices=False)
    values = values / values.norm(dim=1, keepdim=True)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):  # what the iteration does to each singular value, in float64
        values = a * values + b * values**3 + c * values**5
    expected = left @ torch.diag_embed(values) @ right
    tolerance = 0.05 if fast_bfloat16(CPU) else 2e-4
    torch.testing.assert_close(orthogonal(matrices).double(), expected, atol=tolerance, rtol=tolerance)


def test_well_conditioned_matrices_come_out_orthogonal_and_zeros_stay() -> None:
    matrix = torch.linalg.qr(torch.randn(24, 24, generator=torch.Generator().manual_seed(0))).Q * 7
    values = torch.linalg.svdvals(orthogonal(matrix[None])[0])
    assert values.min() > 0.6
    assert values.max() < 1.3
    assert not orthogonal(torch.zeros(2, 3, 5)).any()


def test_the_update_has_the_size_of_adamws() -> None:
    parameter = nn.Parameter(torch.zeros(32, 48))
    parameter.grad = torch.randn(32, 48, generator=torch.Generator().manual_seed(0)) * 1e-3
    Muon([parameter], lr=0.5).step()
    assert parameter.detach().square().mean().sqrt().item() == pytest.approx(0.5 * RMS, rel=0.25)


def test_kernels_are_matrices_of_their_outputs_and_shapes_do_not_meet() -> None:
    kernel, matrix = nn.Parameter(torch.zeros(4, 3, 2, 2)), nn.Parameter(torch.zeros(4, 12))
    gradient = torch.randn(4, 12, generator=torch.Generator().manual_seed(1))
    kernel.grad, matrix.grad = gradient.view(4, 3, 2, 2).clone(), gradient.clone()
    other = nn.Parameter(torch.ones(5, 5))
    Muon([kernel, matrix, other], lr=0.1).step()
    torch.testing.assert_close(kernel.detach().view(4, 12), matrix.detach())
    assert torch.equal(other, torch.ones(5, 5))  # nothing without a gradient


def test_momentum_looks_ahead_and_weights_decay() -> None:
    parameter = nn.Parameter(torch.eye(6) * 3)
    optimizer = Muon([parameter], lr=0.1, momentum=0.9, weight_decay=0.5)
    expected, momentum = parameter.detach().clone(), torch.zeros(6, 6)
    for seed in range(3):
        gradient = torch.randn(6, 6, generator=torch.Generator().manual_seed(seed))
        parameter.grad = gradient.clone()
        optimizer.step()
        momentum = 0.9 * momentum + 0.1 * gradient
        change = orthogonal((0.1 * gradient + 0.9 * momentum)[None])[0] * RMS * 6**0.5
        expected = expected * (1 - 0.1 * 0.5) - 0.1 * change
        torch.testing.assert_close(parameter.detach(), expected)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_step_that_is_not_finite_changes_nothing(bad: float) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    both = make_optimizers(
        dict(module.named_parameters()), {"0.weight", "0.bias"}, learning_rate=0.1, betas=(0.9, 0.95), weight_decay=0.1
    )
    assert [len(group["params"]) for one in both for group in one.param_groups] == [1, 1, 2]

    def train(scale: float) -> float:
        loss = (module(torch.ones(2, 4)) ** 2).sum() * scale
        loss.backward()
        skipped = clip_gradients(list(module.parameters()), loss, 1.0).skipped
        for optimizer in both:
            skip_where(skipped, optimizer)
            optimizer.step()
            optimizer.zero_grad()
        return float(skipped)

    assert train(1.0) == 0
    before = [parameter.detach().clone() for parameter in module.parameters()]
    momentum = [state["momentum"].clone() for state in both[0].state.values()]
    assert train(bad) == 1
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
    assert torch.equal(momentum[0], next(iter(both[0].state.values()))["momentum"])
    assert train(1.0) == 0
    assert not torch.equal(before[0], module[0].weight)


def test_auto_is_bfloat16_only_where_that_is_fast() -> None:
    assert arithmetic("float32", CPU) == torch.float32
    assert arithmetic("bfloat16", CPU) == torch.bfloat16
    assert arithmetic("auto", CPU) == (torch.bfloat16 if fast_bfloat16(CPU) else torch.float32)
    assert not fast_bfloat16(torch.device("meta"))


def test_the_norm_of_each_head_is_a_vector_to_all_optimizers(recipe: Recipe) -> None:
    backbone = registry().find("backbone", "chameleon")
    sizes = {"width": 16, "inner": 32, "layers": 2, "heads": 2, "vocabulary": 300, "context": 256}
    stage = evolve(recipe.stages["all"], muon=("backbone.layers",), weight_decay=0.1)
    model = build_model(compose(evolve(recipe, backbone=Use("backbone", backbone, backbone.config(**sizes)))))
    model.processor.fit(["a red circle"] * 3)
    run = StageRun(stage, model, Position("all"), seeds_of(recipe).stage("all"))
    names = {id(parameter): name for name, parameter in run.trained.items()}
    matrices, adamw = (
        {names[id(p)] for g in optimizer.param_groups for p in g["params"]} for optimizer in run.optimizers
    )
    projections = ("attention.qkv_proj", "attention.o_proj", "mlp.gate_up_proj", "mlp.down_proj")
    assert matrices == {f"backbone.layers.{layer}.{name}.weight" for layer in (0, 1) for name in projections}
    assert run.trained["backbone.layers.0.attention.q_norm.weight"].shape == (2, 8)
    without_decay = {
        names[id(p)] for group in run.optimizers[1].param_groups if not group["weight_decay"] for p in group["params"]
    }
    kinds = ("q_norm.weight", "q_norm.bias", "k_norm.weight", "k_norm.bias")
    assert {f"backbone.layers.{layer}.attention.{kind}" for layer in (0, 1) for kind in kinds} < without_decay < adamw
    planned = Weights.of(model.plan).dimensions
    assert {name for name in matrices | without_decay if planned.get(name, 0) >= 2} == matrices
