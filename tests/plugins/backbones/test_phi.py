"""Phi against transformers: random models, saved there and read here by their names."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from janiform import KVCache, Mask, registry
from janiform_plugins.backbones.phi.config import PhiConfig
from janiform_plugins.backbones.phi.weights import RELEASED, causal_lm, show_o
from released_weights import fill
from safetensors.torch import save_file

VOCABULARY, LENGTH, PROMPT, PADDING = 50, 11, 6, (0, 2, 5)


@pytest.fixture(autouse=True)
def _no_gradients() -> Any:
    with torch.no_grad():
        yield


def config_of(seed: int) -> PhiConfig:
    chance = random.Random(seed)
    heads = chance.choice((2, 4))
    return PhiConfig(
        width=heads * chance.choice((8, 12)),
        inner=chance.randrange(8, 40),
        layers=chance.choice((1, 2, 3)),
        heads=heads,
        kv_heads=chance.choice((0, 1, 2)),
        vocabulary=VOCABULARY,
        context=64,
        rope_theta=chance.choice((10_000.0, 1_000_000.0)),
        rotary=chance.choice((0.5, 0.34, 1.0)),
        eps=chance.choice((1e-6, 1e-5)),
    )


@pytest.fixture(scope="module", params=range(8))
def pair(request: Any, tmp_path_factory: Any) -> SimpleNamespace:
    """A random model of transformers, and ours with the weights from its directory, both in float64."""
    config = config_of(request.param)
    upstream_config = transformers.PhiConfig(
        hidden_size=config.width,
        intermediate_size=config.inner,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads or config.heads,
        vocab_size=VOCABULARY,
        max_position_embeddings=config.context,
        layer_norm_eps=config.eps,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": config.rope_theta,
            "partial_rotary_factor": config.rotary,
        },
    )
    with torch.no_grad():
        upstream = transformers.PhiForCausalLM(upstream_config).double().eval()
        generator = torch.Generator().manual_seed(request.param)
        for parameter in upstream.parameters():
            scale = 1.5 * parameter[0].numel() ** -0.5 if parameter.dim() > 1 else 0.3
            offset = 0 if parameter.dim() > 1 else 0.5
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale + offset)
        folder = tmp_path_factory.mktemp("phi")
        upstream.save_pretrained(folder)
        ours = registry().find("backbone", "phi").load()(config).double().eval()
        fill(ours, folder, causal_lm(config))
    return SimpleNamespace(ours=ours, upstream=upstream, config=config)


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, documents (-1 on padding) and positions, [3, LENGTH] each, padded on the left."""
    ids = torch.randint(VOCABULARY, (len(PADDING), LENGTH), generator=torch.Generator().manual_seed(0))
    documents = torch.where(torch.arange(LENGTH) < torch.tensor(PADDING)[:, None], -1, 0)
    return ids, documents, ((documents + 1).cumsum(dim=1) - 1).clamp(min=0)


def assert_exact(pair: SimpleNamespace, hidden: torch.Tensor) -> None:
    ids, documents, positions = batch()
    wanted = pair.upstream(ids, attention_mask=documents + 1, position_ids=positions, use_cache=False).logits
    real = documents >= 0
    torch.testing.assert_close(pair.ours.logits(hidden)[real], wanted[real], rtol=1e-6, atol=1e-6)


def test_the_whole_sequence_at_once(pair: SimpleNamespace) -> None:
    ids, documents, positions = batch()
    assert_exact(pair, pair.ours(pair.ours.embed(ids), positions, Mask(documents)))


def test_a_prompt_and_single_steps_with_a_cache(pair: SimpleNamespace) -> None:
    ids, documents, positions = batch()
    shape = pair.config.hidden()
    cache = KVCache(shape.layers, len(ids), shape.kv_heads, LENGTH, shape.head_width, dtype=torch.float64)
    mask = Mask.decoding(documents[:, :PROMPT], length=LENGTH)
    bounds = [(0, PROMPT), *((end - 1, end) for end in range(PROMPT + 1, LENGTH + 1))]
    hidden = [
        pair.ours(pair.ours.embed(ids[:, start:end]), positions[:, start:end], mask, cache) for start, end in bounds
    ]
    assert cache.filled == LENGTH
    assert_exact(pair, torch.cat(hidden, dim=1))


def test_positions_that_see_one_another(pair: SimpleNamespace) -> None:
    """A full block behind causal text, as a mask of four dimensions in transformers."""
    ids = batch()[0]
    positions = torch.arange(LENGTH).expand(len(ids), -1)
    blocks = torch.zeros_like(ids)
    blocks[:, 3:8] = 1
    mine = pair.ours(pair.ours.embed(ids), positions, Mask(torch.zeros_like(ids), blocks))
    allowed = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
    allowed[3:8, 3:8] = True
    added = torch.zeros(1, 1, LENGTH, LENGTH, dtype=torch.float64).masked_fill(~allowed, torch.finfo(torch.float64).min)
    wanted = pair.upstream(ids, attention_mask=added.expand(len(ids), -1, -1, -1), position_ids=positions).logits
    torch.testing.assert_close(pair.ours.logits(mine), wanted, rtol=1e-6, atol=1e-6)


def test_the_names_of_show_o(pair: SimpleNamespace, tmp_path: Any) -> None:
    tensors = {f"showo.{name}": value.contiguous() for name, value in pair.upstream.state_dict().items()}
    assert "showo.model.layers.0.self_attn.dense.bias" in tensors
    assert "showo.lm_head.bias" in tensors
    save_file(tensors, tmp_path / "model.safetensors")
    again = type(pair.ours)(pair.config).double()
    fill(again, tmp_path, show_o(pair.config))
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in pair.ours.state_dict().items())


def test_differences_of_a_released_config_are_told(pair: SimpleNamespace) -> None:
    stated = pair.upstream.config.to_dict()
    assert RELEASED.differences is not None
    assert RELEASED.differences(pair.config, stated) == {}
    assert RELEASED.differences(pair.config, stated | {"hidden_size": 7}) == {"width": (pair.config.width, 7)}
    for change, sentence in (
        ({"qk_layernorm": True}, "normalises its queries and keys"),
        ({"model_type": "phi3"}, "a model of type 'phi3'"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rotary positions of type 'yarn'"),
    ):
        with pytest.raises(ValueError, match=sentence):
            RELEASED.differences(pair.config, stated | change)


def test_heads_that_cannot_be_rotated_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rotary 0\.5 of 6 channels per head are 3; expected an even number above 0"):
        PhiConfig(width=12, heads=2)
    with pytest.raises(ValueError, match="width 13 does not divide into heads 2"):
        PhiConfig(width=13, heads=2)
