"""Bamba against transformers' BambaForCausalLM, and its recurrence against a loop over positions."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import JaniformError, Mask, registry, weight_files
from janiform.storage.matching import match
from janiform_plugins.backbones.bamba.config import BambaConfig
from janiform_plugins.backbones.bamba.model import Bamba
from janiform_plugins.backbones.bamba.recurrent import scan
from janiform_plugins.backbones.bamba.weights import RELEASED, causal_lm
from torch import Tensor


def twin(x: Tensor, b: Tensor, c: Tensor, log_a: Tensor, documents: Tensor) -> Tensor:
    """The recurrence, position by position."""
    rows, length, heads, width = x.shape
    outputs = torch.zeros_like(x)
    for row in range(rows):
        state = x.new_zeros(heads, width, b.shape[-1])
        for t in range(length):
            if t and documents[row, t] != documents[row, t - 1]:
                state = torch.zeros_like(state)
            state = log_a[row, t].exp()[:, None, None] * state + x[row, t][..., None] * b[row, t][:, None]
            outputs[row, t] = (state * c[row, t][:, None]).sum(-1)
    return outputs


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_chunks_give_the_recurrence(data: st.DataObject) -> None:
    rows, length, chunk = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 23)), data.draw(st.integers(1, 9))
    torch.manual_seed(data.draw(st.integers(0, 1000)))
    x, b, c = torch.randn(3, rows, length, 2, 3, dtype=torch.float64)
    log_a = -torch.rand(rows, length, 2, dtype=torch.float64) * 5
    starts = torch.rand(rows, length) < 0.25
    documents = starts.cumsum(1)
    expected = twin(x, b, c, log_a, documents)
    torch.testing.assert_close(scan(x, b, c, log_a, documents, None, None, chunk)[0], expected)
    if length > 1:  # in two calls, the second with the state of the first
        cut = data.draw(st.integers(1, length - 1))
        first = [some[:, :cut] for some in (x, b, c, log_a, documents)]
        second = [some[:, cut:] for some in (x, b, c, log_a, documents)]
        before, state = scan(*first, None, None, chunk)
        after, _ = scan(*second, documents[:, cut - 1], state, chunk)
        torch.testing.assert_close(torch.cat((before, after), dim=1), expected)


def sizes(seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    heads, mamba_heads = chance.choice([2, 4]), chance.choice([2, 4, 8])
    layers = chance.choice([3, 4])
    return {
        "width": 32,
        "inner": chance.choice([24, 40]),
        "layers": layers,
        "attention": tuple(sorted(chance.sample(range(layers), chance.choice([1, 2])))),
        "heads": heads,
        "kv_heads": chance.choice([0, heads // 2]),
        "mamba_heads": mamba_heads,
        "state": chance.choice([4, 6]),
        "groups": chance.choice([1, 2]),
        "conv": chance.choice([2, 4]),
        "conv_bias": chance.random() < 0.7,
        "proj_bias": chance.random() < 0.3,
        "chunk": chance.choice([2, 3, 64]),
        "vocabulary": 50,
        "context": 64,
        "tied": chance.random() < 0.5,
    }


def reference(config: BambaConfig) -> Any:
    from transformers import BambaConfig as Released
    from transformers import BambaForCausalLM

    released = Released(
        hidden_size=config.width,
        intermediate_size=config.inner,
        num_hidden_layers=config.layers,
        attn_layer_indices=list(config.attention),
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads or config.heads,
        mamba_n_heads=config.mamba_heads,
        mamba_expand=config.expand,
        mamba_d_state=config.state,
        mamba_n_groups=config.groups,
        mamba_d_conv=config.conv,
        mamba_conv_bias=config.conv_bias,
        mamba_proj_bias=config.proj_bias,
        mamba_chunk_size=8,
        vocab_size=config.vocabulary,
        max_position_embeddings=config.context,
        rms_norm_eps=config.eps,
        tie_word_embeddings=config.tied,
    )
    model = BambaForCausalLM(released).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def pair(seed: int, tmp_path: Path) -> tuple[Bamba, Any]:
    """The backbone with the weights of a random reference, read from its files."""
    torch.manual_seed(seed)
    config = BambaConfig(**sizes(seed))
    theirs = reference(config)
    theirs.save_pretrained(tmp_path)
    ours = Bamba(config).eval()
    files = weight_files(tmp_path)
    placed = match({"backbone": ours}, {"backbone": causal_lm(config)}, files).placed["backbone"]
    tensors = ours.state_dict()
    assert set(placed) == set(tensors)
    for name, pieces in placed.items():
        for piece in pieces:
            target = tensors[name] if piece.rows is None else tensors[name][piece.rows]
            for rows, values in files.rows(piece.name):
                target[rows] = values
    return ours, theirs


@pytest.mark.parametrize("seed", range(6))
def test_logits_are_those_of_transformers(seed: int, tmp_path: Path) -> None:
    ours, theirs = pair(seed, tmp_path)
    ids = torch.randint(50, (2, 19))
    positions = torch.arange(19).expand(2, -1)
    with torch.no_grad():
        expected = theirs(ids).logits
        given_logits = ours.logits(ours(ours.embed(ids), positions, Mask.causal()))
    torch.testing.assert_close(given_logits, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_a_cache_does_not_rewind_and_says_so() -> None:
    config = BambaConfig(**sizes(1))
    cache = Bamba(config).new_cache(2, 8, torch.float32, "cpu")
    assert not cache.rewinds
    cache.attention.advance(3)
    with pytest.raises(JaniformError, match="cannot be those of the first 2: read them again"):
        cache.rewind(2)


def test_memory_per_sequence_is_constant_but_for_attention() -> None:
    shape = BambaConfig(**{**sizes(2), "attention": ()}).hidden()
    assert shape.cached_values == 0
    assert shape.state > 0


def test_settings_of_released_files_are_compared(tmp_path: Path) -> None:
    config = BambaConfig(**sizes(3))
    released = reference(config).config.to_dict()
    assert RELEASED.differences(config, released) == {}
    assert "state" in RELEASED.differences(config, {**released, "mamba_d_state": 99})
    assert registry().find("backbone", "bamba").released_weights() is RELEASED
