"""Qwen2 with norms on its heads, the language model of BAGEL: against transformers' Qwen3 with biases."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from janiform import KVCache, Mask, Routes, registry
from janiform.storage.matching import match
from janiform.storage.weight_files import weight_files
from janiform_plugins.backbones.decoder.weights import causal_lm
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import Qwen3Config, Qwen3ForCausalLM
from transformers.models.qwen3.modeling_qwen3 import apply_rotary_pos_emb

ROWS, LENGTH = 2, 12
NO_OUTPUT_BIAS = "self_attn.o_proj.bias"


@pytest.fixture(autouse=True)
def _no_gradients() -> Any:
    with torch.no_grad():
        yield


def sizes(seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    heads = chance.choice((2, 4))
    return {
        "width": heads * chance.choice((6, 8)),
        "inner": chance.randrange(8, 40),
        "layers": chance.choice((1, 2, 3)),
        "heads": heads,
        "kv_heads": chance.choice((1, 2)),
        "vocabulary": 50,
        "context": 64,
        "rope_theta": chance.choice((10_000.0, 1_000_000.0)),
    }


def upstream(values: dict[str, Any], seed: int) -> Any:
    """A random Qwen3 with biases on queries, keys and values, and zeros as biases of the output."""
    config = Qwen3Config(
        hidden_size=values["width"], intermediate_size=values["inner"], num_hidden_layers=values["layers"],
        num_attention_heads=values["heads"], num_key_value_heads=values["kv_heads"],
        head_dim=values["width"] // values["heads"], vocab_size=50, max_position_embeddings=64, attention_bias=True,
        rope_parameters={"rope_type": "default", "rope_theta": values["rope_theta"]}, tie_word_embeddings=False,
        rms_norm_eps=1e-6, attn_implementation="eager",
    )  # fmt: skip
    model = Qwen3ForCausalLM(config).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        weight = parameter.dim() > 1
        scale = 2 * parameter[0].numel() ** -0.5 if weight else 0.3
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale + (0 if weight else 0.7))
        if name.endswith(NO_OUTPUT_BIAS):
            parameter.zero_()
    return model


def ours(values: dict[str, Any], first: Any, second: Any, folder: Any) -> Any:
    """Our model with the weights of ``first``, and those of ``second`` as its second set, from their files."""
    component = registry().find("backbone", "qwen2")
    config = component.config(**values, head_norm=True, routes=("gen",))
    module = component.load()(config).eval()
    tensors = module.state_dict()
    for number, model in enumerate((first, second)):
        path = folder / str(number)
        state = {name: value for name, value in model.state_dict().items() if not name.endswith(NO_OUTPUT_BIAS)}
        model.save_pretrained(path, state_dict=state)
        files = weight_files(path)
        for name, pieces in (
            match({"backbone": module}, {"backbone": causal_lm(config)}, files).placed["backbone"].items()
        ):
            if number and not (".gen." in name or name.startswith("gen.")):
                continue
            for piece in pieces:
                target = tensors[name] if piece.rows is None else tensors[name][piece.rows]
                for rows, part in files.rows(piece.name):
                    target[rows] = part
    return module


def declared(seed: int) -> tuple[Tensor, Tensor, Mask, Tensor, Tensor]:
    """Ids, positions, mask, what may be seen [B, T, T], and the numbers of the sets [B, T]; a picture is one block."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(50, (ROWS, LENGTH), generator=generator)
    blocks, positions, numbers = (torch.zeros(ROWS, LENGTH, dtype=torch.int64) for _ in range(3))
    for row, (start, stop) in enumerate(((3, 8), (5, 12))):
        blocks[row, start:stop] = 1
        advance = torch.ones(LENGTH, dtype=torch.int64)
        advance[start + 1 : stop] = 0
        positions[row] = advance.cumsum(0) - 1
        numbers[row, start + 1 : stop - 1] = 1
    seen = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril() | ((blocks[:, :, None] == blocks[:, None]) & (
        blocks[:, None] > 0
    ))  # fmt: skip
    return ids, positions, Mask(torch.zeros_like(ids), blocks), seen, numbers


def equal(given: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(given, wanted, rtol=0, atol=1e-5 * wanted.abs().max().item())


def logits_of(model: Any, vectors: Tensor, positions: Tensor, seen: Tensor) -> Tensor:
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)[:, None]
    return model(inputs_embeds=vectors, attention_mask=mask, position_ids=positions, use_cache=False).logits


@pytest.mark.parametrize("seed", range(4))
def test_one_set_is_qwen3_with_biases(seed: int, tmp_path: Any) -> None:
    values = sizes(seed)
    first, second = upstream(values, seed), upstream(values, seed + 100)
    module = ours(values, first, second, tmp_path)
    ids, positions, mask, seen, _ = declared(seed)
    vectors = module.embed(ids)
    equal(vectors, first.model.embed_tokens(ids))
    text = module(vectors, positions, mask, routes=Routes.only(0, 2))
    equal(module.logits(text), logits_of(first, vectors, positions, seen))
    drawn = module(vectors, positions, mask, routes=Routes.only(1, 2))
    second.lm_head = first.lm_head  # which both sets share
    equal(module.logits(drawn), logits_of(second, vectors, positions, seen))


@pytest.mark.parametrize("seed", range(4))
def test_equal_sets_are_one(seed: int, tmp_path: Any) -> None:
    values = sizes(seed)
    first = upstream(values, seed)
    module = ours(values, first, first, tmp_path)
    ids, positions, mask, seen, numbers = declared(seed)
    states = module(module.embed(ids), positions, mask, routes=Routes.of(numbers, 2))
    equal(module.logits(states), logits_of(first, module.embed(ids), positions, seen))


@pytest.mark.parametrize("seed", range(4))
def test_two_sets_attend_to_one_another(seed: int, tmp_path: Any) -> None:
    """Against the layers of two Qwen3s, each of which computes its own positions; attention is over those of both."""
    values = sizes(seed)
    models = [upstream(values, seed), upstream(values, seed + 100)]
    module = ours(values, *models, tmp_path)
    ids, positions, mask, seen, numbers = declared(seed)
    x = module.embed(ids)
    states = module(x, positions, mask, routes=Routes.of(numbers, 2))

    def routed(functions: list[Any], x: Tensor) -> Tensor:
        results = [function(x) for function in functions]
        return torch.where(numbers[(...,) + (None,) * (results[0].dim() - 2)] == 0, *results)

    for layers in zip(*(model.model.layers for model in models), strict=True):

        def heads(name: str, x: Tensor, layers: Any = layers) -> Tensor:
            def project(layer: Any) -> Any:
                attention = layer.self_attn
                norm = getattr(attention, f"{name}_norm", lambda some: some)
                projection = getattr(attention, f"{name}_proj")
                return lambda x: norm(projection(layer.input_layernorm(x)).unflatten(-1, (-1, attention.head_dim)))

            return routed([project(layer) for layer in layers], x).transpose(1, 2)

        q, k, v = (heads(name, x) for name in "qkv")
        q, k = apply_rotary_pos_emb(q, k, *models[0].model.rotary_emb(x, positions))
        attended = scaled_dot_product_attention(q, k, v, seen[:, None], enable_gqa=True).transpose(1, 2).flatten(2)
        x = x + routed([layer.self_attn.o_proj for layer in layers], attended)
        x = x + routed([lambda y, layer=layer: layer.mlp(layer.post_attention_layernorm(y)) for layer in layers], x)
    equal(states, routed([model.model.norm for model in models], x))


def test_with_a_cache(tmp_path: Any) -> None:
    values = sizes(1)
    module = ours(values, upstream(values, 1), upstream(values, 2), tmp_path)
    ids, positions, _, _, numbers = declared(1)
    documents = torch.zeros_like(ids)
    shape = module.config.hidden()
    cache = KVCache(shape.layers, ROWS, shape.kv_heads, LENGTH, shape.head_width)
    vectors, mask = module.embed(ids), Mask.decoding(documents[:, :5], length=LENGTH)
    whole = module(vectors, positions, Mask(documents), routes=Routes.of(numbers, 2))
    parts = [
        module(vectors[:, a:b], positions[:, a:b], mask, cache, routes=Routes.of(numbers[:, a:b], 2))
        for a, b in ((0, 5), *((index, index + 1) for index in range(5, LENGTH)))
    ]
    equal(torch.cat(parts, dim=1), whole)
