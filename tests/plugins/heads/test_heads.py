"""Heads: one matrix, a matrix that text and codes share, and a transformer over the levels of a code."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Codes, Grid, Hidden, Logits, PortMismatch
from janiform_plugins.backbones.decoder.model import Decoder
from janiform_plugins.backbones.llama import LlamaConfig
from janiform_plugins.embeddings.config import SharedEmbeddingConfig
from janiform_plugins.embeddings.shared import SharedEmbedding
from janiform_plugins.heads.config import DepthHeadConfig, LinearHeadConfig, SharedHeadConfig
from janiform_plugins.heads.depth import DepthHead
from janiform_plugins.heads.shared import SharedHead
from janiform_plugins.heads.single import LinearHead

GRID = Grid(2, 3)
HIDDEN = Hidden(width=12, vocabulary=50, context=64, layers=1, kv_heads=1, head_width=12)
CODES = Codes(vocabulary=20, grid=GRID, width=5)
DEEP = Codes(vocabulary=7, grid=GRID, width=5, depth=4)


def test_the_linear_head_is_one_matrix() -> None:
    torch.manual_seed(0)
    head = LinearHead(LinearHeadConfig(), HIDDEN, CODES)
    hidden, codes = torch.randn(9, 12), torch.randint(20, (9, 1))
    assert {name: tuple(p.shape) for name, p in head.named_parameters()} == {"out.weight": (20, 12)}
    torch.testing.assert_close(head(hidden), hidden @ head.out.weight.T)
    torch.testing.assert_close(head.loss(hidden, codes).total, -head(hidden).log_softmax(-1).gather(1, codes).sum())
    with pytest.raises(PortMismatch, match="predicts one code per position, but the tokenizer gives 4"):
        LinearHeadConfig().predict(HIDDEN, DEEP)


def deep_head(depth: int, shared: bool, layers: int = 2, seed: int = 0, **settings: Any) -> DepthHead:
    torch.manual_seed(seed)
    codes = Codes(vocabulary=7, grid=GRID, width=5, depth=depth)
    config = DepthHeadConfig(width=8, heads=2, layers=layers, shared=shared, **settings)
    head = DepthHead(config, HIDDEN, codes).double()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return head


def written_out(head: DepthHead, state: torch.Tensor, codes: list[int]) -> torch.Tensor:
    """Logits of every level for one state [H], by sums over single numbers' worth of the formulas, level by level."""
    weights = dict(head.named_parameters())
    inputs = []
    for level in range(head.depth):
        x = weights["enter.weight"] @ state if level == 0 else torch.zeros(8, dtype=torch.float64)
        for before in range(level) if head.sums else range(max(0, level - 1), level):
            x = x + weights[f"tables.{min(before, len(head.tables) - 1)}.weight"][codes[before]]
        inputs.append(x + weights["place"][level])
    xs = inputs
    for layer in range(len(head.layers)):
        at = f"layers.{layer}."
        normed = [rms(x) * weights[at + "attention_norm.weight"] for x in xs]
        fused = [(weights[at + "attention.qkv_proj.weight"] @ x).view(6, 4) for x in normed]
        after = []
        for query in range(len(xs)):
            seen = []
            for h in range(2):
                q = turned(fused[query][h], query)
                scores = torch.stack([q @ turned(fused[key][2 + h], key) / 2 for key in range(query + 1)])
                values = torch.stack([fused[key][4 + h] for key in range(query + 1)])
                seen.append(scores.softmax(0) @ values)
            x = xs[query] + weights[at + "attention.o_proj.weight"] @ torch.cat(seen)
            gate, up = (weights[at + "mlp.gate_up_proj.weight"] @ (rms(x) * weights[at + "mlp_norm.weight"])).chunk(2)
            after.append(x + weights[at + "mlp.down_proj.weight"] @ (gate * gate.sigmoid() * up))
        xs = after
    outs = [weights[f"outs.{min(level, len(head.outs) - 1)}.weight"] for level in range(head.depth)]
    return torch.stack([out @ (rms(x) * weights["norm.weight"]) for out, x in zip(outs, xs, strict=True)])


def rms(x: torch.Tensor) -> torch.Tensor:
    return x / (x.square().mean() + 1e-6).sqrt()


def turned(x: torch.Tensor, position: int) -> torch.Tensor:
    """A head of four channels, whose pairs (0, 2) and (1, 3) turn by the position over 1 and over 100."""
    pairs = torch.complex(x[:2], x[2:]) * torch.exp(1j * position * torch.tensor([1.0, 0.01], dtype=torch.float64))
    return torch.cat((pairs.real, pairs.imag))


@settings(max_examples=8)
@given(
    depth=st.integers(1, 5),
    shared=st.booleans(),
    shared_output=st.booleans(),
    inputs=st.sampled_from(("sum", "last")),
    layers=st.integers(1, 2),
    seed=st.integers(0, 99),
)
@torch.no_grad()
def test_the_depth_head_teacher_forced_written_out_and_step_by_step(
    depth: int, shared: bool, shared_output: bool, inputs: str, layers: int, seed: int
) -> None:
    head = deep_head(depth, shared, layers, seed, shared_output=shared_output, inputs=inputs)
    hidden, codes = torch.randn(3, 12).double(), torch.randint(7, (3, depth))
    forced = head.logits(hidden, codes)
    twin = torch.stack([written_out(head, hidden[row], codes[row].tolist()) for row in range(3)])
    # Rotary angles are in float32, whatever the weights are in.
    torch.testing.assert_close(forced, twin, rtol=1e-5, atol=1e-5)

    asked: list[torch.Tensor] = []

    def choose(logits: torch.Tensor, level: int) -> torch.Tensor:
        asked.append(logits)
        return codes[:, level]

    assert torch.equal(head.sample(hidden, choose), codes)
    torch.testing.assert_close(torch.stack(asked, dim=1), forced)
    torch.testing.assert_close(head(hidden), forced[:, 0])
    loss = head.loss(hidden, codes)
    torch.testing.assert_close(loss.total, -forced.log_softmax(-1).gather(2, codes[..., None]).sum())
    assert loss.count == codes.numel()


def test_a_level_sees_the_levels_before_it_and_no_other() -> None:
    head = deep_head(4, False)
    hidden, codes = torch.randn(1, 12).double(), torch.tensor([[1, 2, 3, 4]])
    before = head.logits(hidden, codes)
    for level in range(4):
        changed = codes.clone()
        changed[0, level] = (codes[0, level] + 1) % 7
        moved = (head.logits(hidden, changed) - before).abs().amax(-1)[0] > 1e-6
        assert moved.tolist() == [other > level for other in range(4)]


def test_the_sizes_of_a_depth_head() -> None:
    assert DepthHeadConfig().predict(Hidden(16, 50, 64, 1, 1, 16), DEEP) == Logits(7, 4)
    own, one, out = deep_head(4, False), deep_head(4, True), deep_head(4, False, shared_output=True)
    assert [(len(head.tables), len(head.outs)) for head in (own, one, out)] == [(3, 4), (1, 1), (3, 1)]
    with pytest.raises(PortMismatch, match="width of 12, which does not divide into 8 heads of an even width"):
        DepthHeadConfig().predict(HIDDEN, DEEP)
    assert DepthHeadConfig().decoder(Hidden(64, 50, 64, 1, 1, 16), DEEP).inner == 176


def borrowed(tied: bool, **settings: Any) -> tuple[Decoder, SharedEmbedding, SharedHead]:
    torch.manual_seed(0)
    config = LlamaConfig(width=12, inner=8, layers=1, heads=2, vocabulary=50, context=64, tied=tied)
    backbone, first = Decoder(config), {"first": settings.get("first", 0)}
    embedding = SharedEmbedding(SharedEmbeddingConfig(**first), CODES, config.hidden())
    head = SharedHead(SharedHeadConfig(**settings), config.hidden(), CODES)
    for part in (embedding, head):
        part.borrow(backbone)
        assert not part.state_dict()
        assert not [*part.parameters()]
    return backbone, embedding, head


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("first", [0, 11])
def test_shared_codes_are_ids_of_the_backbone(tied: bool, first: int) -> None:
    backbone, embedding, head = borrowed(tied, first=first)
    start = first or 30
    hidden, codes = torch.randn(9, 12), torch.randint(20, (9, 1))
    assert torch.equal(embedding(codes[None]), backbone.embed_tokens.weight[codes[None, :, 0] + start])
    matrix = backbone.embed_tokens.weight if tied else backbone.lm_head.weight
    torch.testing.assert_close(head(hidden), hidden @ matrix[start : start + 20].T)
    everything = (hidden @ matrix.T).log_softmax(-1)
    torch.testing.assert_close(head.loss(hidden, codes).total, -everything.gather(1, codes + start).sum())
    _, _, alone = borrowed(tied, first=first, softmax="codes")
    torch.testing.assert_close(alone.loss(hidden, codes).total, -head(hidden).log_softmax(-1).gather(1, codes).sum())
    assert torch.equal(head.sample(hidden, lambda logits, level: logits.argmax(-1)), head(hidden).argmax(-1)[:, None])


def test_a_shared_vocabulary_needs_room_and_one_code_a_position() -> None:
    for config, ask in ((SharedHeadConfig, "predict"), (SharedEmbeddingConfig, "embed")):
        ports = {"hidden": HIDDEN, "codes": CODES}
        getattr(config(), ask)(**ports)
        with pytest.raises(PortMismatch, match="is too small for 20 codes from id 31 on"):
            getattr(config(first=31), ask)(**ports)
        with pytest.raises(PortMismatch, match="vocabulary of 50 is too small for 50 codes beside the text's"):
            getattr(config(), ask)(hidden=HIDDEN, codes=Codes(50, GRID, 5))
        with pytest.raises(PortMismatch, match="one code per position"):
            getattr(config(), ask)(hidden=HIDDEN, codes=DEEP)
