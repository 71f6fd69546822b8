"""Drawing at the sizes of Janus-Pro on a GPU: recorded steps, eager steps and transformers in turns, against the floor.

    python benchmarks/gpu_step.py [--recipe janus-pro-1b] [--pictures 1 4 16 64] [--json FILE]

Random weights in bfloat16, guidance of two rows, no decoding of pixels. ``floor`` is the time to read the weights of
all steps once, at the rate of a large copy that is measured here. transformers computes with its ``LlamaForCausalLM``
and its dynamic cache, eagerly, with the same head, embedding and sampling of codes. ``--codes 16`` draws the first 16
codes only, and ``--recipe janus-micro --device cpu`` tries the script without a GPU, where steps are not recorded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hardware import here, installed
from janiform import Mask, read_recipe
from janiform.compose import compose
from janiform.guidance import Guidance
from janiform.inference.generate.engine import DecodeState, EagerEngine, generating, new_cache
from janiform.inference.generate.images import CodeOutput
from janiform.inference.generate.sampling import Sampling, uniforms
from janiform.inference.generate.static_step import GraphEngine
from janiform.model.build import build_model
from janiform.model.unified_model import UnifiedModel
from torch import Tensor

PROMPT = 20
"""Positions of a prompt."""

GUIDANCE = Guidance.plain(5.0)

Draw = Callable[[int], Tensor]


def janus(recipe: str, device: torch.device) -> UnifiedModel:
    parts = ("backbone", "generation.embedding", "generation.adapter", "generation.head")
    plan = compose(read_recipe(recipe))
    return build_model(plan, dtype=torch.bfloat16, parts=parts, seed=0).eval().to(device)


def ours(model: UnifiedModel, engine: EagerEngine, codes: int) -> Draw:
    """As ``generate_codes`` draws, from prompts of text ids."""
    shape = model.plan.pathways["generation"].codes
    assert shape is not None

    def draw(pictures: int) -> Tensor:
        output = CodeOutput(model, "generation", shape, pictures, GUIDANCE)
        noise = uniforms(pictures, codes, list(range(pictures))).to(model.device)
        drawn = torch.empty(pictures, codes, dtype=torch.int64, device=model.device)
        with generating(model):
            state = prompts(model, pictures * len(GUIDANCE), codes)
            hidden = state.hidden
            for step in range(codes):
                sampled = output.sample(output.head(hidden), Sampling(), noise[step][None], step)
                drawn[:, step] = sampled[:, 0]
                if step + 1 < codes:
                    hidden = engine.decode(state, output.embed(sampled, step))
        return drawn

    return draw


def prompts(model: UnifiedModel, rows: int, codes: int) -> DecodeState:
    """Prompts that were read: the engine's own prefill needs a text tokenizer, which a recipe does not have."""
    ids = torch.ones(rows, PROMPT, dtype=torch.int64, device=model.device)
    embeddings = model.part("backbone").embed(ids)
    positions = torch.arange(PROMPT, device=model.device).expand(rows, PROMPT)
    cache = new_cache(model, rows, PROMPT + codes, embeddings)
    hidden = model.run(embeddings, positions, Mask.causal(), cache)
    return DecodeState(hidden[:, -1], Mask.causal(), cache, positions[:, -1:] + 1)


def theirs(model: UnifiedModel, codes: int) -> Draw:
    from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

    hidden = model.plan.hidden
    config: Any = model.plan.parts["backbone"].use.config
    shape = LlamaConfig(
        hidden_size=hidden.width,
        intermediate_size=config.inner,
        num_hidden_layers=hidden.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=hidden.kv_heads,
        vocab_size=hidden.vocabulary,
    )
    with torch.device(model.device):
        torch.set_default_dtype(torch.bfloat16)
        llama: Any = LlamaForCausalLM(shape).eval()
        torch.set_default_dtype(torch.float32)
    port = model.plan.pathways["generation"].codes
    assert port is not None

    def draw(pictures: int) -> Tensor:
        output = CodeOutput(model, "generation", port, pictures, GUIDANCE)
        noise = uniforms(pictures, codes, list(range(pictures))).to(model.device)
        drawn = torch.empty(pictures, codes, dtype=torch.int64, device=model.device)
        cache = DynamicCache()
        with torch.no_grad():
            ids = torch.ones(pictures * len(GUIDANCE), PROMPT, dtype=torch.int64, device=model.device)
            embeddings = llama.model.embed_tokens(ids)
            for step in range(codes):
                states = llama.model(inputs_embeds=embeddings, past_key_values=cache, use_cache=True).last_hidden_state
                sampled = output.sample(output.head(states[:, -1]), Sampling(), noise[step][None], step)
                drawn[:, step] = sampled[:, 0]
                embeddings = output.embed(sampled, step)
        return drawn

    return draw


def bandwidth(device: torch.device) -> float:
    """Bytes per second that a large copy reads and writes."""
    source = torch.empty(2**28 if device.type == "cuda" else 2**26, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    taken = statistics.median(timed(lambda: target.copy_(source), device) for _ in range(5))
    return 2 * source.nbytes / taken


def timed(run: Callable[[], Any], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begun = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun


def weights_of(model: UnifiedModel) -> int:
    """Bytes of the weights that a step reads."""
    read = [*model.part("backbone").blocks(), model.part("generation.head")]
    return sum(tensor.nbytes for module in read for tensor in module.state_dict().values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--recipe", default="janus-pro-1b", help="recipe whose sizes are measured (default janus-pro-1b)"
    )
    parser.add_argument("--pictures", type=int, nargs="+", default=[1, 4, 16, 64], help="numbers of pictures at once")
    parser.add_argument("--codes", type=int, help="codes of each picture; all by default")
    parser.add_argument("--repeats", type=int, default=3, help="turns of all sides (default 3)")
    parser.add_argument("--device", default="cuda", help="device to measure (default cuda)")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch finds no GPU here; --recipe janus-micro --device cpu tries the script without one")
    model = janus(options.recipe, device)
    codes = options.codes or model.plan.pathways["generation"].tokens
    graphs = GraphEngine(model)
    sides = {"graphs": ours(model, graphs, codes), "eager": ours(model, EagerEngine(model), codes)}
    if installed("transformers") != "not installed":
        sides["transformers"] = theirs(model, codes)
    floor = codes * weights_of(model) / bandwidth(device)
    results: dict[int, dict[str, float]] = {}
    for pictures in options.pictures:
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for repeat in range(options.repeats + 1):
            for name, draw in sides.items():
                taken = timed(partial(draw, pictures), device)
                if repeat:  # the first one records graphs and chooses kernels
                    seconds[name].append(taken)
        figures = {name: statistics.median(taken) for name, taken in seconds.items()}
        results[pictures] = {**figures, "floor": floor}
        shown = "  ".join(f"{name} {value:.3f} s" for name, value in results[pictures].items())
        print(f"{pictures:3} pictures  {shown}  {pictures / figures['graphs']:.1f} pictures/s with graphs")
    facts = {**here(device), "transformers": installed("transformers"), "recipe": options.recipe, "codes": codes}
    facts |= {"graphs": graphs.recorded, "seconds_to_record": round(graphs.seconds, 2), "reason": graphs.reason}
    print(json.dumps(facts))
    if options.json:
        options.json.write_text(json.dumps({"facts": facts, "seconds": results}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
