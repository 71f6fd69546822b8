"""A small Harmon, and its twin, which drops hidden places from its sequences.

The twin has the blocks of transformers, and keeps no cache.
"""

from __future__ import annotations

from typing import Any

import torch
from attrs import evolve
from janiform import Mask, UnifiedModel, build_model, read_recipe_text
from janiform.compose import compose
from torch import Tensor
from torch.nn.functional import layer_norm, linear, silu
from transformers import ViTConfig
from transformers.models.vit.modeling_vit import ViTLayer

TEXTS = ["a red circle above a blue square on the left", "two small green squares", "a cross"]
BUFFER, WIDTH, PLACES = 3, 12, 16
TINY = """\
recipe = 1
name = "tiny-harmon"
understanding = { share = "generation" }

[backbone]
use = "qwen2"
vocabulary = 300
width = 32
inner = 48
layers = 2
heads = 2
kv_heads = 1
context = 256

[text]
use = "bpe"
vocabulary = 280
special_tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

[layout]
use = "harmon"

[generation]
tokenizer = { use = "kl", image_size = 16, channels = 8, groups = 4, multipliers = [1, 1, 1], latent = 5 }
embedding = { use = "mar", width = 12, layers = 2, heads = 2, buffer = 3 }
adapter = { use = "mlp", activation = "silu" }
head = { use = "mar", width = 12, layers = 2, heads = 2, buffer = 3, net_width = 16, net_depth = 2, steps = 5 }
sampler = { use = "masked-latents", steps = 5, guidance = 3.0 }
"""


def tiny(*changes: str) -> str:
    """The recipe with other settings, each ``old -> new``."""
    text = TINY
    for change in changes:
        old, new = change.split(" -> ")
        assert old in text, old
        text = text.replace(old, new)
    return text


def model_of(*changes: str) -> UnifiedModel:
    """A model with random weights everywhere, also where those of a new one are zero."""
    torch.manual_seed(0)
    model = build_model(compose(read_recipe_text(tiny(*changes))))
    chance = torch.Generator().manual_seed(0)
    model.part("generation.head").settings = evolve(model.part("generation.head").settings, clip=3.0)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=chance)
    model.processor.fit(TEXTS * 4)
    return model.eval().requires_grad_(False)


def blocks_of(transformer: Any, width: int, heads: int) -> list[ViTLayer]:
    """The blocks as those of transformers."""
    config = ViTConfig(
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        layer_norm_eps=1e-6,
        hidden_act="gelu",
        qkv_bias=True,
    )
    config._attn_implementation = "sdpa"
    names = {
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "attn.proj": "attention.o_proj",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
    }
    layers = []
    for block in transformer.blocks:
        state = {}
        for name, value in block.state_dict().items():
            part, _, kind = name.rpartition(".")
            if part == "attn.qkv":
                for one, piece in zip("qkv", value.chunk(3), strict=True):
                    state[f"attention.{one}_proj.{kind}"] = piece
            else:
                state[f"{names[part]}.{kind}"] = value
        layer = ViTLayer(config).eval()
        layer.load_state_dict(state)
        layers.append(layer)
    return layers


def through(layers: list[ViTLayer], x: Tensor) -> Tensor:
    for layer in layers:
        out = layer(x)
        x = out[0] if isinstance(out, tuple) else out
    return x


def encoded(part: Any, latents: Tensor, known: Tensor) -> Tensor:
    """MAR's encoder of one picture [N, C]: [U + known, W], with hidden places dropped."""
    x = torch.cat((part.begin.expand(part.buffer, -1), linear(latents, part.enter.weight, part.enter.bias)))
    x = x + part.transformer.positions[0]
    x = layer_norm(x, x.shape[-1:], part.enter_norm.weight, part.enter_norm.bias, 1e-6)
    x = x[torch.cat((torch.ones(part.buffer, dtype=torch.bool), known))]
    x = through(blocks_of(part.transformer, x.shape[-1], part.config.heads), x[None])[0]
    norm = part.transformer.norm
    return layer_norm(x, x.shape[-1:], norm.weight, norm.bias, 1e-6)


def decoded(head: Any, vectors: Tensor, known: Tensor, heads: int) -> Tensor:
    """MAR's decoder of one picture: vectors [U + known, W] to what each place is drawn from, [N, W]."""
    x = head.masked[0].expand(head.buffer + len(known), -1).clone()
    x[torch.cat((torch.ones(head.buffer, dtype=torch.bool), known))] = linear(
        vectors, head.enter.weight, head.enter.bias
    )
    x = through(blocks_of(head.transformer, head.width, heads), (x + head.transformer.positions[0])[None])[0]
    norm = head.transformer.norm
    x = layer_norm(x, x.shape[-1:], norm.weight, norm.bias, 1e-6)
    return x[head.buffer :] + head.positions[0]


def conditions_of(model: UnifiedModel, ids: list[int], latents: Tensor, known: Tensor) -> Tensor:
    """What each place of one picture behind a prompt is drawn from, [N, W], by Harmon's ``forward_mae_encoder``."""
    embedding, adapter, head = (model.part(f"generation.{name}") for name in ("embedding", "adapter", "head"))
    backbone: Any = model.part("backbone")
    vectors = encoded(embedding, latents, known)
    read = adapter(torch.cat((vectors[BUFFER:], vectors[:BUFFER])))
    sequence = torch.cat((backbone.embed(torch.tensor([ids]))[0], read))[None]
    states = backbone(sequence, torch.arange(sequence.shape[1])[None], Mask.causal())[0, len(ids) :]
    states = torch.cat((states[-BUFFER:], states[:-BUFFER]))
    into, out = head.into, head.out
    return decoded(head, vectors + out(silu(into(states))), known, 2)  # type: ignore[operator]
