"""Decoding at the sizes of Janus-Pro-1B on a CPU: janiform, transformers and a bare loop in turns, against the floor.

    python benchmarks/generation.py [--quick] [--threads 2] [--json FILE]

Random weights in bfloat16. A step of R rows reads one position and computes the logits of the next code or token.
``floor`` is the time to read the weights of a step once, at the rate of the fastest sweep found here: products of one
row with packed weights. All parts are measured in turns in one process, so that other work on the machine hits all
of them alike. The figures are medians, and the ratios are those of the medians.

transformers computes with its ``LlamaForCausalLM``, its dynamic cache, and the same head of codes. The bare loop has no
framework: fused projections, a cache that is allocated once, and plain products.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hardware import cpu, installed
from janiform import Mask, read_recipe
from janiform.compose import compose
from janiform.inference.generate.engine import DecodeState, EagerEngine, new_cache
from janiform.inference.packed import pack_weights
from janiform.model.build import build_model
from janiform.model.unified_model import UnifiedModel
from torch import Tensor, nn
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu

FILLED = 300
"""Positions in the cache: about the middle of a picture."""

ROWS = {"code, one picture": 2, "code, four pictures": 8, "code, eight pictures": 16, "text token, one row": 1}

Step = Callable[[], Tensor]


def janus(packed: bool) -> UnifiedModel:
    """The language model and the head of codes."""
    parts = ("backbone", "generation.embedding", "generation.adapter", "generation.head")
    model = build_model(compose(read_recipe("janus-pro-1b")), dtype=torch.bfloat16, parts=parts, seed=0).eval()
    if packed:
        pack_weights(model)
    return model


def ours(model: UnifiedModel, rows: int, *, codes: bool) -> Step:
    like = torch.zeros(0, dtype=torch.bfloat16)
    engine, cache = EagerEngine(model), new_cache(model, rows, FILLED + 1, like)
    head: Any = model.part("generation.head") if codes else model.part("backbone").logits
    embeddings = torch.randn(rows, 1, model.plan.hidden.width).bfloat16()

    def step() -> Tensor:
        cache.filled = FILLED  # type: ignore[misc]
        positions = torch.full((rows, 1), FILLED)
        hidden = engine.decode(DecodeState(embeddings[:, 0], Mask.causal(), cache, positions), embeddings)
        return head(hidden)

    return step


def theirs(llama: Any, head: nn.Module | None, rows: int) -> Step:
    from transformers import DynamicCache

    shape = llama.config
    embeddings = torch.randn(rows, 1, shape.hidden_size).bfloat16()
    size = (rows, shape.num_key_value_heads, FILLED, shape.hidden_size // shape.num_attention_heads)
    kept = [torch.zeros(size).bfloat16() for _ in range(shape.num_hidden_layers)]

    def step() -> Tensor:
        cache = DynamicCache()
        for layer, keys in enumerate(kept):
            cache.update(keys, keys, layer)
        begun = time.perf_counter()
        states = llama.model(inputs_embeds=embeddings, past_key_values=cache, use_cache=True).last_hidden_state[:, -1]
        logits = (llama.lm_head if head is None else head)(states)
        step.seconds = time.perf_counter() - begun  # type: ignore[attr-defined]  # without filling the cache
        return logits

    return step


def bare(model: UnifiedModel, rows: int) -> Step:
    """The same weights, without modules."""
    backbone, head = model.part("backbone"), model.part("generation.head")
    layers = [
        (
            block.attention_norm.weight,
            block.attention.qkv_proj.weight,
            block.attention.o_proj.weight,
            block.mlp_norm.weight,
            block.mlp.gate_up_proj.weight,
            block.mlp.down_proj.weight,
        )
        for block in backbone.layers
    ]
    heads, width = model.plan.hidden.kv_heads, model.plan.hidden.head_width
    cache = torch.zeros(len(layers), 2, rows, heads, FILLED + 1, width).bfloat16()
    x0 = torch.randn(rows, model.plan.hidden.width).bfloat16()
    angle = torch.randn(width).bfloat16()

    def step() -> Tensor:
        x = x0
        for layer, (norm, qkv, out, norm_2, gate_up, down) in enumerate(layers):
            projected = linear(rms_norm(x, norm.shape, norm, 1e-6), qkv).view(rows, 3 * heads, 1, width)
            turned = projected[:, : 2 * heads] * angle + projected[:, : 2 * heads].roll(width // 2, -1) * angle
            cache[layer, 0, :, :, FILLED:] = turned[:, heads:]
            cache[layer, 1, :, :, FILLED:] = projected[:, 2 * heads :]
            attended = scaled_dot_product_attention(turned[:, :heads], cache[layer, 0], cache[layer, 1])
            x = x + linear(attended.view(rows, -1), out)
            gate, up = linear(rms_norm(x, norm_2.shape, norm_2, 1e-6), gate_up).chunk(2, -1)
            x = x + linear(silu(gate) * up, down)
        return head(x)

    return step


def weights_of(model: UnifiedModel, *, codes: bool) -> int:
    """Bytes of the weights that a step reads."""
    blocks = sum(tensor.nbytes for layer in model.part("backbone").layers for tensor in layer.state_dict().values())
    last = model.part("generation.head") if codes else model.part("backbone").lm_head
    return blocks + sum(tensor.nbytes for tensor in last.state_dict().values())


def sweep() -> Callable[[], float]:
    """Bytes per second of reading packed weights by products of one row."""
    weights = [torch.ops.mkldnn._reorder_linear_weight(torch.randn(8192, 2048).bfloat16(), 1) for _ in range(16)]
    x = torch.randn(1, 2048).bfloat16()

    def measure() -> float:
        begun = time.perf_counter()
        for weight in weights:
            torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
        return len(weights) * 8192 * 2048 * 2 / (time.perf_counter() - begun)

    return measure


def timed(step: Step) -> float:
    begun = time.perf_counter()
    step()
    return getattr(step, "seconds", time.perf_counter() - begun)


def measure(repeats: int) -> dict[str, dict[str, float]]:
    from transformers import LlamaConfig, LlamaForCausalLM

    model = janus(packed=True)
    plain = janus(packed=False)
    hidden = model.plan.hidden
    shape = LlamaConfig(
        hidden_size=hidden.width,
        intermediate_size=5632,
        num_hidden_layers=hidden.layers,
        num_attention_heads=hidden.kv_heads,
        num_key_value_heads=hidden.kv_heads,
        vocab_size=hidden.vocabulary,
    )
    torch.set_default_dtype(torch.bfloat16)
    llama = LlamaForCausalLM(shape).eval()
    torch.set_default_dtype(torch.float32)
    rate = sweep()
    results: dict[str, dict[str, float]] = {}
    for name, rows in ROWS.items():
        codes = name.startswith("code")
        steps = {
            "janiform": ours(model, rows, codes=codes),
            "transformers": theirs(llama, plain.part("generation.head") if codes else None, rows),
        }
        if codes:
            steps["bare"] = bare(plain, rows)
        seconds: dict[str, list[float]] = {key: [] for key in steps}
        rates = []
        for repeat in range(repeats + 1):
            rates.append(rate())
            for key, step in steps.items():
                taken = timed(step)
                if repeat:  # the first packs weights
                    seconds[key].append(taken)
        figures = {key: 1000 * statistics.median(taken) for key, taken in seconds.items()}
        figures["floor"] = 1000 * weights_of(plain, codes=codes) / statistics.median(rates)
        results[name] = figures
        ratio, over = (figures["janiform"] / figures[other] for other in ("transformers", "floor"))
        shown = "  ".join(f"{key} {value:.0f} ms" for key, value in figures.items())
        print(f"{name:22} {shown}  janiform / transformers {ratio:.2f}, / floor {over:.2f}")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="five repetitions instead of twenty")
    parser.add_argument("--threads", type=int, default=2, help="threads of all sides (default 2)")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with torch.no_grad():
        results = measure(5 if options.quick else 20)
    facts = {**cpu(), "transformers": installed("transformers"), "filled": FILLED}
    print(json.dumps(facts))
    if options.json:
        options.json.write_text(
            json.dumps({"facts": facts, "milliseconds": results}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
