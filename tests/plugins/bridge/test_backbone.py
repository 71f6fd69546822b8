"""Bridged language models against transformers itself, under masks that are written out by hand, and against ours."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from bridged_families import LANGUAGE, SLIDING, WINDOW
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from janiform import KVCache, Mask, registry, weight_files
from janiform.storage.matching import match
from janiform_plugins.backbones.decoder.weights import causal_lm

LENGTH = 9


@pytest.fixture(autouse=True)
def _no_gradients() -> Any:
    with torch.no_grad():
        yield


def assert_near(given: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


def embeddings(part: Any, rows: int = 2, length: int = LENGTH) -> tuple[torch.Tensor, torch.Tensor]:
    width = part.embed(torch.zeros(1, 1, dtype=torch.int64)).shape[-1]
    drawn = torch.randn(rows, length, width, generator=torch.Generator().manual_seed(rows))
    return drawn, torch.arange(length).expand(rows, length)


@pytest.mark.parametrize("kind", LANGUAGE)
def test_text_gives_the_logits_of_transformers(kind: str, bridged: Any, reference: Any) -> None:
    part = bridged(kind)
    ids = torch.randint(3, 50, (2, LENGTH), generator=torch.Generator().manual_seed(1))
    positions = torch.arange(LENGTH).expand(2, LENGTH)
    given = part.logits(part(part.embed(ids), positions, Mask.causal()))
    assert_near(given, reference(kind)(input_ids=ids, use_cache=False).logits)


@pytest.mark.parametrize("kind", LANGUAGE)
def test_a_cache_changes_nothing(kind: str, bridged: Any) -> None:
    part = bridged(kind)
    read, positions = embeddings(part)
    port = registry().find("backbone", "transformers").config(model_type=kind, settings=LANGUAGE[kind]).hidden()
    documents = torch.tensor([[-1, -1, *[0] * 7], [0] * 9])
    positions = torch.stack([torch.tensor([0, 0, *range(7)]), torch.arange(9)])
    whole = part(read, positions, Mask(documents))
    cache = KVCache(port.layers, 2, port.kv_heads, LENGTH, port.head_width)
    mask = Mask.decoding(documents[:, :5], length=LENGTH)
    pieces = [part(read[:, :5], positions[:, :5], mask, cache)]
    pieces += [part(read[:, at : at + 1], positions[:, at : at + 1], mask, cache) for at in range(5, LENGTH)]
    given = torch.cat(pieces, dim=1)
    assert_near(given[0, 2:], whole[0, 2:])
    assert_near(given[1], whole[1])


def written_out(documents: list[int], blocks: list[int], window: int | None) -> torch.Tensor:
    """Who sees whom, by the words of the contract: [1, 1, T, T], 0 where seen and -inf where not."""
    length = len(documents)
    seen = torch.full((1, 1, length, length), float("-inf"))
    for query in range(length):
        for key in range(length):
            together = blocks[query] == blocks[key] != 0
            behind = key <= query and (window is None or query - key < window)
            if documents[query] == documents[key] >= 0 and (behind or together):
                seen[0, 0, query, key] = 0
        if documents[query] < 0:
            seen[0, 0, query, query] = 0
    return seen


@st.composite
def packings(draw: st.DrawFn) -> tuple[list[int], list[int], list[int]]:
    """Documents, blocks and positions of one row: padding on the left, documents, full blocks inside of them."""
    documents, blocks, positions = [-1] * draw(st.integers(0, 3)), [], []
    blocks, positions, block = [0] * len(documents), [0] * len(documents), 0
    for document in range(draw(st.integers(1, 3))):
        at = 0
        for full in draw(st.lists(st.booleans(), min_size=1, max_size=3)):
            length = draw(st.integers(1, 5))
            block += full
            documents += [document] * length
            blocks += [block if full else 0] * length
            positions += range(at, at + length)
            at += length
    return documents, blocks, positions


@pytest.mark.parametrize("kind", LANGUAGE)
@given(packed=packings())
@settings(max_examples=3, phases=(Phase.explicit, Phase.generate))
def test_packing_padding_and_full_blocks_are_those_of_a_mask_written_out(
    kind: str, packed: Any, bridged: Any, reference: Any
) -> None:
    documents, blocks, positions = packed
    part, upstream = bridged(kind), reference(kind)
    read, _ = embeddings(part, 1, len(documents))
    places = torch.tensor([positions])
    given = part(read, places, Mask(torch.tensor([documents]), torch.tensor([blocks])))
    mask: Any = written_out(documents, blocks, None)
    if kind in SLIDING:
        narrow = written_out(documents, blocks, WINDOW)
        mask = narrow if all(SLIDING[kind]) else {"full_attention": mask, "sliding_attention": narrow}
    expected = upstream.base_model(inputs_embeds=read, attention_mask=mask, position_ids=places, use_cache=False)
    alone = [at for at, document in enumerate(documents) if document >= 0]
    assert_near(given[:, alone], expected.last_hidden_state[:, alone])


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_it_is_our_own_backbone_with_the_same_weights(kind: str, bridged: Any, tmp_path: Any) -> None:
    part, stated = bridged(kind), LANGUAGE[kind]
    component = registry().find("backbone", kind)
    config = component.config(
        width=32, inner=40, layers=2, heads=4, kv_heads=2, vocabulary=50, context=64,
        head_width=stated.get("head_dim", 0), eps=part.causal.config.rms_norm_eps,
        tied=stated.get("tie_word_embeddings", False),
    )  # fmt: skip
    part.causal.save_pretrained(tmp_path)
    ours = component.load()(config).eval()
    files = weight_files(tmp_path)
    for name, pieces in match({"backbone": ours}, {"backbone": causal_lm(config)}, files).placed["backbone"].items():
        for piece in pieces:
            target = ours.state_dict()[name]
            for rows, values in files.rows(piece.name):
                (target if piece.rows is None else target[piece.rows])[rows].copy_(values)
    documents = torch.tensor([[-1, -1, *[0] * 4, *[1] * 6]])
    blocks = torch.tensor([[0, 0, 0, 1, 1, 0, 0, 0, 2, 2, 2, 0]])
    read, _ = embeddings(part, 1, 12)
    positions = torch.tensor([[0, 0, *range(4), *range(6)]])
    given, expected = (model(read, positions, Mask(documents, blocks)) for model in (part, ours))
    assert_near(given[:, 2:], expected[:, 2:])
    assert_near(part.logits(given), ours.logits(given))
    ids = torch.arange(9)[None]
    assert torch.equal(part.embed(ids), ours.embed(ids))


def test_positions_are_turned_in_float32_whatever_the_weights_are(bridged: Any) -> None:
    part = copy.deepcopy(bridged("llama"))
    before = part.causal.model.rotary_emb.inv_freq.clone()
    part.to(torch.bfloat16)
    assert part.causal.lm_head.weight.dtype == torch.bfloat16
    assert torch.equal(part.causal.model.rotary_emb.inv_freq, before)
    assert torch.equal(part.to(torch.float64).causal.model.rotary_emb.inv_freq, before)
