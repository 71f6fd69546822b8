"""The released sizes: as many parameters as were published, and as transformers makes of the same config."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
import transformers
from janiform import registry
from janiform_plugins.backbones.decoder.weights import RELEASED

PUBLISHED = {
    ("llama", "emu3"): 8_492_011_520,
    ("llama", "llama-2-7b"): 6_738_415_616,
    ("llama", "llama-3-8b"): 8_030_261_248,
    ("llama", "llama-3.1-8b"): 8_030_261_248,
    ("llama", "llama-3.2-1b"): 1_235_814_400,
    ("llama", "llama-3.2-3b"): 3_212_749_824,
    ("mistral", "7b-v0.3"): 7_248_023_552,
    ("gemma", "2b"): 2_506_172_416,
    ("gemma", "7b"): 8_537_680_896,
    ("qwen2", "0.5b"): 494_032_768,
    ("qwen2", "1.5b"): 1_543_714_304,
    ("qwen2", "3b"): 3_085_938_688,
    ("qwen2", "7b"): 7_615_616_512,
    ("qwen3", "0.6b"): 596_049_920,
    ("qwen3", "1.7b"): 1_720_574_976,
    ("qwen3", "4b"): 4_022_468_096,
    ("qwen3", "8b"): 8_190_735_360,
    ("qwen3-moe", "30b-a3b"): 30_532_122_624,
    ("qwen3-moe", "235b-a22b"): 235_093_634_560,
    ("bamba", "9b"): 9_780_235_392,
    ("phi", "1.5"): 1_418_270_720,
    ("phi", "2"): 2_779_683_840,
    ("chameleon", "7b"): 7_013_666_816,
    ("chameleon", "34b"): 34_294_308_864,
}
"""Component and preset -> parameters, tied ones once; without the visual tokenizers of Emu3 and Chameleon."""


def config_of(name: str, preset: str) -> Any:
    component = registry().find("backbone", name)
    return component.config(**component.presets[preset])


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("name", "preset"), PUBLISHED)
def test_a_preset_has_the_published_number_of_parameters(name: str, preset: str) -> None:
    config = config_of(name, preset)
    with torch.device("meta"):
        assert parameters(registry().find("backbone", name).load()(config)) == PUBLISHED[name, preset]


@pytest.mark.parametrize(("name", "preset"), PUBLISHED)
def test_transformers_makes_as_many_of_the_same_config(name: str, preset: str) -> None:
    config = config_of(name, preset)
    config_class, model_class, more = transformers_classes(name, preset)
    released_config = config_class(
        hidden_size=config.width,
        intermediate_size=config.inner,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads or config.heads,
        head_dim=config.hidden().head_width,
        vocab_size=config.vocabulary,
        tie_word_embeddings=getattr(config, "tied", False),
        **more,
    )
    with torch.device("meta"):
        reference = model_class(released_config)
    beside = parameters(reference.model.vqmodel) if name == "chameleon" else 0
    assert parameters(reference) - beside == PUBLISHED[name, preset]


def test_the_defaults_of_transformers_are_the_presets_of_two_families() -> None:
    """Whose configs beside the released weights state little else."""
    for preset, released in (
        (config_of("llama", "emu3"), transformers.Emu3TextConfig()),
        (config_of("chameleon", "7b"), transformers.ChameleonConfig()),
    ):
        stated = json.loads(released.to_json_string())
        assert RELEASED.differences is not None
        assert RELEASED.differences(preset, stated) == {}
        assert preset.vocabulary == released.vocab_size
        assert preset.context == released.max_position_embeddings
        assert not any(getattr(released, name) for name in ("attention_bias", "mlp_bias"))


def transformers_classes(name: str, preset: str) -> tuple[Any, Any, dict[str, Any]]:
    """The config and the model of transformers, and settings of the config that only this family has."""
    if preset == "emu3":
        return transformers.Emu3TextConfig, transformers.Emu3ForCausalLM, {}
    if name == "chameleon":
        more = {"swin_norm": config_of(name, preset).swin_norm, "vocabulary_map": {"<image>": 3}}
        return transformers.ChameleonConfig, transformers.ChameleonForConditionalGeneration, more
    if name == "bamba":
        config = config_of(name, preset)
        more = {
            "attn_layer_indices": list(config.attention),
            "mamba_n_heads": config.mamba_heads,
            "mamba_d_state": config.state,
            "mamba_expand": config.expand,
        }
        return transformers.BambaConfig, transformers.BambaForCausalLM, more
    if name == "qwen3-moe":
        config = config_of(name, preset)
        more = {
            "moe_intermediate_size": config.expert_inner,
            "num_experts": config.experts,
            "num_experts_per_tok": config.active,
        }
        return transformers.Qwen3MoeConfig, transformers.Qwen3MoeForCausalLM, more
    family = name.capitalize()
    return getattr(transformers, f"{family}Config"), getattr(transformers, f"{family}ForCausalLM"), {}


def test_every_preset_is_covered_here() -> None:
    offered = {
        (component.name, preset) for component in registry().components("backbone") for preset in component.presets
    }
    assert {(name, preset) for name, preset in offered if "deepseek" not in preset} == set(PUBLISHED)
