"""The mixture of experts against transformers' Qwen3MoeForCausalLM, and its experts against a loop over positions."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import KVCache, Mask, registry, weight_files
from janiform.compose import compose
from janiform.measure.costs import measure
from janiform.measure.flops import of_backbone
from janiform.recipe import Use
from janiform.storage.matching import match
from janiform.storage.quantize import quantizable
from janiform_plugins.backbones.decoder.model import Decoder
from janiform_plugins.backbones.moe import experts
from janiform_plugins.backbones.moe.experts import SparseMLP, Stacked, by_expert, by_group
from janiform_plugins.backbones.moe.losses import balance, z
from janiform_plugins.backbones.moe.model import SparseDecoder
from janiform_plugins.backbones.moe.weights import RELEASED
from janiform_plugins.backbones.qwen3 import Qwen3Config
from janiform_plugins.backbones.qwen3_moe import Qwen3MoeConfig
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import silu
from transformers.models.qwen3_moe.modeling_qwen3_moe import load_balancing_loss_func


def sizes(seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    heads, layers = chance.choice([2, 4]), chance.choice([2, 3])
    return {
        "width": 32,
        "inner": chance.choice([24, 40]),
        "layers": layers,
        "heads": heads,
        "kv_heads": chance.choice([0, heads // 2]),
        "head_width": chance.choice([8, 16]),
        "vocabulary": 50,
        "context": 64,
        "tied": chance.random() < 0.5,
        "experts": chance.choice([3, 4, 7]),
        "active": chance.randint(1, 3),
        "expert_inner": chance.choice([12, 20]),
        "normalised": chance.random() < 0.5,
        "sparse_step": chance.choice([1, 1, 2]),
        "dense_layers": chance.choice([(), (0,)]),
    }


def reference(config: Qwen3MoeConfig) -> Any:
    from transformers import Qwen3MoeConfig as Released
    from transformers import Qwen3MoeForCausalLM

    shape = config.hidden()
    released = Released(
        hidden_size=config.width,
        intermediate_size=config.inner,
        moe_intermediate_size=config.expert_inner,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_width,
        vocab_size=config.vocabulary,
        max_position_embeddings=config.context,
        rms_norm_eps=config.eps,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=config.tied,
        num_experts=config.experts,
        num_experts_per_tok=config.active,
        norm_topk_prob=config.normalised,
        decoder_sparse_step=config.sparse_step,
        mlp_only_layers=list(config.dense_layers),
    )
    model = Qwen3MoeForCausalLM(released).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def write(model: Any, folder: Path, stacked: bool) -> None:
    """Files with an expert per tensor, as released, or with those of the model in memory."""
    if stacked:
        save_file({name: value.contiguous().clone() for name, value in model.state_dict().items()
                   if not (name == "lm_head.weight" and model.config.tie_word_embeddings)},
                  folder / "model.safetensors")  # fmt: skip
    else:
        model.save_pretrained(folder)


def read(config: Qwen3MoeConfig, folder: Path) -> SparseDecoder:
    """The backbone with the weights of files, by the first of the released names that fit."""
    files, ours = weight_files(folder), SparseDecoder(config).eval()
    tensors = ours.state_dict()
    for keys in RELEASED.keys(config):
        if all(piece.name in files.tensors for piece in keys.pieces("layers.1.mlp_norm.weight", (1,)) or ()) and all(
            piece.name in files.tensors
            for name, tensor in tensors.items()
            for piece in keys.pieces(name, tensor.shape) or ()
        ):
            placed = match({"backbone": ours}, {"backbone": keys}, files).placed["backbone"]
            break
    assert set(placed) == set(tensors)
    for name, pieces in placed.items():
        for piece in pieces:
            target = tensors[name] if piece.rows is None else tensors[name][piece.rows]
            for rows, values in files.rows(piece.name):
                target.view(piece.shape)[rows] = values
    return ours


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("stacked", [False, True])
def test_logits_are_those_of_transformers(seed: int, stacked: bool, tmp_path: Path) -> None:
    torch.manual_seed(seed)
    config = Qwen3MoeConfig(**sizes(seed))
    theirs = reference(config)
    write(theirs, tmp_path, stacked)
    ours = read(config, tmp_path)
    ids = torch.randint(50, (2, 19))
    with torch.no_grad():
        expected = theirs(ids).logits
        states = ours(ours.embed(ids), torch.arange(19).expand(2, -1), Mask.causal())
        torch.testing.assert_close(ours.logits(states), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_the_files_of_transformers_have_an_expert_per_tensor(tmp_path: Path) -> None:
    write(reference(Qwen3MoeConfig(**{**sizes(0), "dense_layers": (), "sparse_step": 1})), tmp_path, stacked=False)
    assert "model.layers.0.mlp.experts.2.gate_proj.weight" in weight_files(tmp_path).tensors


def test_settings_of_released_files_are_compared() -> None:
    config = Qwen3MoeConfig(**sizes(3))
    released = reference(config).config.to_dict()
    assert RELEASED.differences is not None
    assert RELEASED.differences(config, released) == {}
    changed = {**released, "num_experts_per_tok": config.active + 1, "norm_topk_prob": not config.normalised}
    assert set(RELEASED.differences(config, changed)) == {"active", "normalised"}
    for name in ("num_experts", "num_local_experts"):  # as published, and as transformers writes it since version 5
        stated = {key: value for key, value in released.items() if key != "num_local_experts"} | {name: 99}
        assert RELEASED.differences(config, stated) == {"experts": (config.experts, 99)}
    with pytest.raises(ValueError, match="holds a model of type 'qwen3'; backbone 'qwen3_moe' takes 'qwen3_moe'"):
        RELEASED.differences(config, {**released, "model_type": "qwen3"})
    assert registry().find("backbone", "qwen3-moe").released_weights() is RELEASED


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_experts_compute_what_a_loop_over_positions_does(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 5))
    active, normalised = data.draw(st.integers(1, count)), data.draw(st.booleans())
    rows, length = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 6))
    torch.manual_seed(data.draw(st.integers(0, 1000)))
    layer = SparseMLP(8, 6, count, active, silu, normalised).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    x = torch.randn(rows, length, 8, dtype=torch.float64)
    output, logits = layer(x)
    gate_up = layer.expert_gate_up_proj.weight.view(count, 12, 8)
    down = layer.expert_down_proj.weight.view(count, 8, 6)
    for place in range(rows * length):
        state = x.flatten(0, 1)[place]
        weights = (layer.router.weight @ state).softmax(0)
        torch.testing.assert_close(logits.flatten(0, 1)[place].softmax(0), weights)
        best = weights.argsort(descending=True)[:active].tolist()
        scale = weights[best].sum() if normalised else 1.0
        expected = sum(
            weights[e] / scale * (down[e] @ (silu(gate_up[e, :6] @ state) * (gate_up[e, 6:] @ state))) for e in best
        )
        torch.testing.assert_close(output.flatten(0, 1)[place], expected)


def test_one_kernel_for_all_groups_computes_the_same() -> None:
    """What a GPU runs, by torch's own definition of it on the CPU."""
    torch.manual_seed(0)
    stacks = Stacked(5, 16, 8), Stacked(5, 8, 8)
    states = torch.randn(9, 8, requires_grad=True)
    chosen = torch.tensor([0, 0, 0, 2, 2, 3, 3, 3, 3])  # nothing for the second and the last
    outcomes = []
    for call in (
        lambda a, b: by_expert(states, a, b, silu, [3, 0, 2, 4, 0]),
        lambda a, b: by_group(states, a, b, silu, chosen),
    ):
        output = call(*(stack.matrices() for stack in stacks))
        inputs = (states, *(stack.weight for stack in stacks))
        outcomes.append((output, *torch.autograd.grad(output.square().sum(), inputs)))
    for left, right in zip(*outcomes, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-8)


def test_a_model_of_one_kernel_for_all_groups_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = SparseDecoder(evolve(Qwen3MoeConfig(**sizes(2)), expert_inner=16))
    ids, positions = torch.randint(50, (2, 9)), torch.arange(9).expand(2, -1)

    def learned() -> list[Tensor]:
        model.zero_grad()
        states = model(model.embed(ids), positions, Mask.causal())
        states.square().sum().backward()
        return [states.detach(), *(weight.grad.clone() for weight in model.layers.parameters())]  # type: ignore[union-attr]

    expected = learned()
    monkeypatch.setattr(experts, "grouped", lambda *_: True)
    for left, right in zip(learned(), expected, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)


def test_routers_and_experts_are_not_quantized() -> None:
    model = SparseDecoder(Qwen3MoeConfig(**{**sizes(0), "dense_layers": (0,), "sparse_step": 1}))
    names = {name.partition(".")[2].partition(".")[2] for name, _ in quantizable(model, "int8", 50)}
    assert names == {"attention.qkv_proj", "attention.o_proj", "mlp.gate_up_proj", "mlp.down_proj"}


@torch.no_grad()
def test_one_position_reads_the_experts_that_it_chose_only() -> None:
    torch.manual_seed(0)
    layer = SparseMLP(16, 8, 6, 2, silu, True)
    x = torch.randn(1, 1, 16)
    expected, logits = layer(x)
    chosen = logits.flatten().topk(2).indices.tolist()
    for stack in (layer.expert_gate_up_proj, layer.expert_down_proj):
        for expert, matrix in enumerate(stack.matrices()):
            if expert not in chosen:
                matrix.fill_(torch.nan)
    assert torch.equal(layer(x)[0], expected)


@pytest.mark.parametrize("seed", range(4))
def test_the_balance_of_one_document_is_that_of_transformers(seed: int) -> None:
    torch.manual_seed(seed)
    active, length = 2, 11
    logits = torch.randn(1, length, 5)
    ours = balance(logits, torch.zeros(1, length, dtype=torch.int64), active) / length
    theirs = load_balancing_loss_func((logits[0],), 5, active)
    torch.testing.assert_close(ours, torch.as_tensor(theirs))


def by_document(logits: Tensor, documents: Tensor, active: int) -> Tensor:
    """The balance loss, document by document, from its definition."""
    total = logits.new_zeros(())
    for row, numbers in zip(logits, documents, strict=True):
        for number in numbers.unique().tolist():
            if number >= 0:
                theirs = load_balancing_loss_func((row[numbers == number],), logits.shape[-1], active)
                total = total + torch.as_tensor(theirs) * int((numbers == number).sum())
    return total


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_losses_are_sums_over_documents_and_positions(data: st.DataObject) -> None:
    rows = [data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)) for _ in range(data.draw(st.integers(1, 3)))]
    longest = max(map(sum, rows)) + data.draw(st.integers(0, 2))
    documents = torch.full((len(rows), longest), -1)
    for row, lengths in enumerate(rows):
        numbers = [number for number, length in enumerate(lengths) for _ in range(length)]
        start = longest - len(numbers) if data.draw(st.booleans()) else 0
        documents[row, start : start + len(numbers)] = torch.tensor(numbers)
    torch.manual_seed(data.draw(st.integers(0, 1000)))
    logits = torch.randn(*documents.shape, 4)
    torch.testing.assert_close(balance(logits, documents, 2), by_document(logits, documents, 2))
    expected = logits[documents >= 0].logsumexp(-1).square().sum()
    torch.testing.assert_close(z(logits, documents), expected)
    torch.testing.assert_close(balance(torch.zeros_like(logits), documents, 4), 4.0 * (documents >= 0).sum())


def test_losses_leave_padding_out_where_the_mask_needs_no_documents() -> None:
    torch.manual_seed(0)
    model = SparseDecoder(evolve(Qwen3MoeConfig(**sizes(1)), z_loss=0.1)).train()
    ids = torch.randint(50, (2, 6))
    documents = torch.tensor([[0] * 6, [0] * 4 + [-1] * 2])
    mask = Mask(documents)
    assert mask.documents is None
    model(model.embed(ids), torch.arange(6).expand(2, -1), mask)
    whole = model.auxiliary_losses()
    assert set(whole) == {"balance", "z"} == set(model.auxiliary_weights())
    for row, length in enumerate((6, 4)):
        model(model.embed(ids[row : row + 1, :length]), torch.arange(length)[None], Mask.causal())
    apart = model.auxiliary_losses()
    for name, loss in whole.items():
        assert float(loss.count) == float(apart[name].count) == 10
        torch.testing.assert_close(loss.total, apart[name].total, rtol=1e-5, atol=1e-6)
    assert model.auxiliary_losses() == {}
    with torch.no_grad():
        model(model.embed(ids), torch.arange(6).expand(2, -1), mask)
    assert model.auxiliary_losses() == {}


@torch.no_grad()
def test_one_expert_is_a_dense_decoder() -> None:
    torch.manual_seed(0)
    common = {**{name: value for name, value in sizes(2).items() if hasattr(Qwen3Config(), name)}, "inner": 24}
    dense = Decoder(Qwen3Config(**common))
    sparse = SparseDecoder(Qwen3MoeConfig(**common, experts=1, active=1, expert_inner=24))
    renamed = {name.replace("mlp.expert_", "mlp."): name for name in sparse.state_dict()}
    values = dense.state_dict()
    sparse.load_state_dict({name: values[key] for key, name in renamed.items() if key in values}, strict=False)
    ids, positions = torch.randint(50, (2, 7)), torch.arange(7).expand(2, -1)
    expected = dense(dense.embed(ids), positions, Mask.causal())
    torch.testing.assert_close(sparse(sparse.embed(ids), positions, Mask.causal()), expected)


@torch.no_grad()
def test_cached_decoding_gives_what_the_whole_gives() -> None:
    torch.manual_seed(0)
    model = SparseDecoder(Qwen3MoeConfig(**sizes(4))).double().eval()
    ids, positions = torch.randint(50, (2, 9)), torch.arange(9).expand(2, -1)
    whole = model(model.embed(ids), positions, Mask.causal())
    shape = model.config.hidden()
    cache = KVCache(shape.layers, 2, shape.kv_heads, 9, shape.head_width, dtype=torch.float64)
    pieces = [
        model(model.embed(ids[:, piece]), positions[:, piece], Mask.causal(), cache)
        for piece in (slice(0, 4), *(slice(i, i + 1) for i in range(4, 9)))
    ]
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"active": 9}, "active 9 exceeds the number of experts"),
        ({"dense_layers": (5,)}, "dense_layers has 5, expected numbers from 0 to"),
        ({"routes": ("gen",)}, "routes are not supported"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Qwen3MoeConfig(**{**sizes(0), **changes})


@pytest.mark.parametrize("seed", range(3))
def test_flops_are_those_of_the_active_experts(seed: int) -> None:
    settings = {**sizes(seed), "tied": False}
    with torch.device("meta"):
        model = SparseDecoder(Qwen3MoeConfig(**settings))
    config, expert = model.config, 3 * model.config.expert_inner * model.config.width
    sparse = sum(map(config.is_sparse, range(config.layers)))
    every = sum(parameter.numel() for parameter in model.parameters())
    active = every - sparse * (config.experts - config.active) * expert
    assert model.active_parameters() == active
    tables = config.vocabulary * config.width
    vectors = sum(parameter.numel() for parameter in model.parameters() if parameter.ndim == 1)
    shape = config.hidden()
    assert of_backbone(model, shape.width, shape.layers)[0] == 2 * (active - 2 * tables - vectors)


def test_costs_count_all_weights_and_those_that_are_active(make_plan: Any) -> None:
    component = registry().find("backbone", "qwen3-moe")
    config = component.config(**{**sizes(1), "vocabulary": 320, "context": 256})
    plan = compose(evolve(make_plan().recipe, backbone=Use("backbone", component, config)))
    costs = measure(plan).parts["backbone"]
    assert costs.active is not None
    assert costs.active < costs.parameters
    assert measure(make_plan()).parts["backbone"].active is None
