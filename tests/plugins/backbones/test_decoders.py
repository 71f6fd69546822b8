"""The language models against transformers: random models of each family, saved there and read here by their names."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from janiform import KVCache, Mask, registry
from janiform_plugins.backbones.decoder.rotary import frequencies, stretched
from janiform_plugins.backbones.decoder.weights import causal_lm
from janiform_plugins.backbones.llama import LlamaConfig
from released_weights import fill

FAMILIES = {
    "llama": ("llama", transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "emu3": ("llama", transformers.Emu3TextConfig, transformers.Emu3ForCausalLM),
    "qwen2": ("qwen2", transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    "qwen3": ("qwen3", transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
    "mistral": ("mistral", transformers.MistralConfig, transformers.MistralForCausalLM),
    "gemma": ("gemma", transformers.GemmaConfig, transformers.GemmaForCausalLM),
    "chameleon": ("chameleon", transformers.ChameleonConfig, transformers.ChameleonForConditionalGeneration),
}
"""Family -> our component, and the config and model of transformers."""

WIDE = ("qwen3", "mistral", "gemma")
"""Families that have released sizes whose heads do not divide the width."""

STRETCHED = {"rope_factor": 8.0, "rope_low": 1.0, "rope_high": 4.0, "rope_context": 32}
"""Short enough for wavelengths that are kept, mixed and stretched."""

BESIDE = {
    "vocabulary_map": {"<image>": 3},
    "vq_config": {"base_channels": 32, "channel_multiplier": [1], "num_res_blocks": 1, "resolution": 8},
}
"""What Chameleon's config holds beside the language model."""

VOCABULARY = 50
LENGTH, PROMPT = 11, 6
PADDING = (0, 2, 5)
"""Of each row, on its left."""


@pytest.fixture(autouse=True)
def _no_gradients() -> Any:
    with torch.no_grad():
        yield


def settings(family: str, chance: random.Random) -> dict[str, Any]:
    """Of our component."""
    heads = chance.choice((2, 4))
    wide = {"head_width": chance.choice((6, 10, 16))} if family in WIDE else {}
    stretched = STRETCHED if family == "llama" and chance.random() < 0.5 else {}
    swin = {"swin_norm": chance.choice((True, False))} if family == "chameleon" else {}
    return (
        wide
        | stretched
        | swin
        | {
            "width": heads * chance.choice((6, 8, 12)),
            "inner": chance.randrange(8, 40),
            "layers": chance.choice((1, 2, 3)),
            "heads": heads,
            "kv_heads": chance.choice([number for number in (0, 1, 2) if not number or heads % number == 0]),
            "vocabulary": VOCABULARY,
            "context": 64,
            "rope_theta": chance.choice((10_000.0, 1_000_000.0)),
            "eps": chance.choice((1e-6, 1e-5)),
            "tied": chance.choice((True, False)),
        }
    )


def reference(family: str, config: Any) -> transformers.PreTrainedModel:
    """The same model of transformers, with random weights, also where it begins with zeros and ones."""
    _, config_class, model_class = FAMILIES[family]
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": config.rope_theta}
    if getattr(config, "rope_factor", 1) != 1:
        rope |= {
            "rope_type": "llama3",
            "factor": config.rope_factor,
            "low_freq_factor": config.rope_low,
            "high_freq_factor": config.rope_high,
            "original_max_position_embeddings": config.rope_context,
        }
    upstream_config = config_class(
        hidden_size=config.width,
        intermediate_size=config.inner,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads or config.heads,
        head_dim=config.head_width or config.width // config.heads,
        vocab_size=config.vocabulary,
        max_position_embeddings=config.context,
        rms_norm_eps=config.eps,
        tie_word_embeddings=config.tied,
        rope_parameters=rope,
        bos_token_id=1,
        eos_token_id=2,
        **({"sliding_window": None} if family == "mistral" else {}),
        **({"pad_token_id": 0} if family == "emu3" else {}),
        **({**BESIDE, "swin_norm": config.swin_norm} if family == "chameleon" else {}),
    )
    model = model_class(upstream_config).eval()
    if family == "chameleon":
        del model.model.vqmodel  # of which the language model is independent
    generator = torch.Generator().manual_seed(config.inner)
    for name, parameter in model.named_parameters():
        weight = parameter.dim() > 1 and "norm" not in name
        scale = 2 * parameter[0].numel() ** -0.5 if weight else 0.3
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale + (0 if weight else 0.7))
    return model


@pytest.fixture(scope="module", params=[(family, seed) for family in FAMILIES for seed in range(6)], ids=str)
def pair(request: Any, tmp_path_factory: Any) -> SimpleNamespace:
    """A random model of transformers, and ours with the weights from its directory."""
    family, seed = request.param
    component = registry().find("backbone", FAMILIES[family][0])
    config = component.config(**settings(family, random.Random(seed)))
    with torch.no_grad():
        upstream = reference(family, config)
        folder = tmp_path_factory.mktemp(family)
        upstream.save_pretrained(folder)
        ours = component.load()(config).eval()
        fill(ours, folder, causal_lm(ours.config))
    return SimpleNamespace(ours=ours, upstream=upstream, config=config)


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, documents (-1 on padding) and positions, [3, LENGTH] each, padded on the left."""
    ids = torch.randint(VOCABULARY, (len(PADDING), LENGTH), generator=torch.Generator().manual_seed(0))
    documents = torch.where(torch.arange(LENGTH) < torch.tensor(PADDING)[:, None], -1, 0)
    return ids, documents, ((documents + 1).cumsum(dim=1) - 1).clamp(min=0)


def expected(upstream: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states after the final norm, and logits, of which Chameleon's ``forward`` hides those of codes."""
    ids, documents, positions = batch()
    hidden = upstream.model(
        ids, attention_mask=documents + 1, position_ids=positions, use_cache=False
    ).last_hidden_state
    if isinstance(upstream, transformers.ChameleonForConditionalGeneration):
        return hidden, upstream.lm_head(hidden)
    logits = upstream(ids, attention_mask=documents + 1, position_ids=positions, use_cache=False).logits
    return hidden, logits


def assert_exact(ours: Any, given: torch.Tensor, upstream: Any) -> None:
    """Hidden states and logits within 1e-5 of the largest value, wherever there is no padding."""
    real = batch()[1] >= 0
    for mine, wanted in zip((given, ours.logits(given)), expected(upstream), strict=True):
        torch.testing.assert_close(mine[real], wanted[real], rtol=0, atol=1e-5 * wanted[real].abs().max().item())


def test_the_whole_sequence_at_once(pair: SimpleNamespace) -> None:
    ids, documents, positions = batch()
    assert_exact(pair.ours, pair.ours(pair.ours.embed(ids), positions, Mask(documents)), pair.upstream)


def test_a_prompt_and_single_steps_with_a_cache(pair: SimpleNamespace) -> None:
    ids, documents, positions = batch()
    shape = pair.config.hidden()
    cache = KVCache(shape.layers, len(ids), shape.kv_heads, LENGTH, shape.head_width)
    mask = Mask.decoding(documents[:, :PROMPT], length=LENGTH)
    bounds = [(0, PROMPT), *((end - 1, end) for end in range(PROMPT + 1, LENGTH + 1))]
    hidden = [
        pair.ours(pair.ours.embed(ids[:, start:end]), positions[:, start:end], mask, cache) for start, end in bounds
    ]
    assert cache.filled == LENGTH
    assert_exact(pair.ours, torch.cat(hidden, dim=1), pair.upstream)


def test_it_begins_with_an_even_choice(pair: SimpleNamespace) -> None:
    """A fresh model of the same sizes: no bias, norms that only normalise, small logits."""
    torch.manual_seed(0)
    fresh = type(pair.ours)(pair.config)
    ids, documents, positions = batch()
    hidden = fresh(fresh.embed(ids), positions, Mask(documents))
    torch.testing.assert_close(hidden.square().mean(dim=-1), torch.ones(ids.shape), rtol=0.2, atol=0)
    assert fresh.logits(hidden)[documents >= 0].abs().max() < (4 if pair.config.tied else 1)
    assert all(not bias.any() for name, bias in fresh.named_parameters() if name.endswith("bias"))


def test_both_orders_of_norms_and_grouped_heads_of_chameleon_are_compared() -> None:
    drawn = [settings("chameleon", random.Random(seed)) for seed in range(6)]
    assert {values["swin_norm"] for values in drawn} == {True, False}
    assert any(0 < values["kv_heads"] < values["heads"] for values in drawn)


def test_the_stretched_positions_of_llama_are_compared_and_have_all_three_bands() -> None:
    """So that none of the cases that the comparisons above are for is missing by chance."""
    factors = {settings("llama", random.Random(seed)).get("rope_factor", 1.0) for seed in range(6)}
    assert factors == {1.0, 8.0}
    config = LlamaConfig(width=64, heads=4, **STRETCHED)
    plain = frequencies(16, config.rope_theta, torch.device("cpu"))
    assert config.stretch is not None
    share = stretched(plain, config.stretch) / plain
    assert share.max() == 1
    assert share.min() == 1 / 8
    assert ((share > 1 / 8) & (share < 1)).any()
