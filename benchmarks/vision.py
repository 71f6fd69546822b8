"""Pictures at the sizes of Janus-Pro-1B on a CPU: janiform and transformers in turns.

    python benchmarks/vision.py [--quick] [--threads 2] [--json FILE]

Random weights in bfloat16, one picture of 384x384: 576 codes to a picture, a picture to codes, a picture to the
encoder's features, and a prompt of 699 positions with a picture, encoder and cache included. The figures are medians,
and the ratios are those of the medians. With ``--threads 1`` the time is that of the processor, so other work on the
machine changes it less.
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
from janiform.inference.generate.engine import new_cache
from janiform.inference.packed import pack_weights
from janiform.model.build import build_model
from torch import Tensor

SIDE, CODES, POSITIONS = 384, 576, 699

Run = Callable[[], Any]


def ours() -> dict[str, Run]:
    parts = ("backbone", "understanding.encoder", "understanding.adapter", "generation.tokenizer")
    model = build_model(compose(read_recipe("janus-pro-1b")), dtype=torch.bfloat16, parts=parts, seed=0).eval()
    pack_weights(model)
    tokenizer, encoder, adapter = (model.part(path) for path in (parts[3], parts[1], parts[2]))
    backbone: Any = model.part("backbone")
    pixels = torch.randn(1, 3, SIDE, SIDE).bfloat16()
    codes = torch.randint(16_384, (1, CODES, 1))
    ids = torch.ones(1, POSITIONS - CODES, dtype=torch.int64)

    def prompt() -> Tensor:
        embeddings = torch.cat((backbone.embed(ids), adapter(encoder(pixels))), dim=1)
        cache = new_cache(model, 1, POSITIONS + 1, embeddings)
        return model.run(embeddings, torch.arange(POSITIONS)[None], Mask.causal(), cache)[:, -1]

    return {
        "codes to picture": lambda: tokenizer.decode(codes),
        "picture to codes": lambda: tokenizer.encode(pixels),
        "picture to features": lambda: encoder(pixels),
        "prompt with a picture": prompt,
    }


def theirs() -> dict[str, Run]:
    from transformers import DynamicCache, LlamaConfig, LlamaModel
    from transformers.models.janus import configuration_janus as configs
    from transformers.models.janus import modeling_janus as models

    torch.set_default_dtype(torch.bfloat16)
    tokenizer: Any = models.JanusVQVAE(configs.JanusVQVAEConfig(num_patches=24)).eval()
    vision_config = configs.JanusVisionConfig()
    vision: Any = models.JanusVisionModel(vision_config).eval()
    aligner: Any = models.JanusVisionAlignerMLP(vision_config).eval()
    shape = LlamaConfig(
        hidden_size=2048, intermediate_size=5632, num_hidden_layers=24, num_attention_heads=16, vocab_size=102_400
    )
    llama: Any = LlamaModel(shape).eval()
    torch.set_default_dtype(torch.float32)
    pixels = torch.randn(1, 3, SIDE, SIDE).bfloat16()
    codes = torch.randint(16_384, (1, CODES))
    ids = torch.ones(1, POSITIONS - CODES, dtype=torch.int64)

    def prompt() -> Tensor:
        seen = aligner(vision(pixels).last_hidden_state)
        embeddings = torch.cat((llama.embed_tokens(ids), seen), dim=1)
        return llama(inputs_embeds=embeddings, past_key_values=DynamicCache(), use_cache=True).last_hidden_state[:, -1]

    return {
        "codes to picture": lambda: tokenizer.decode(codes),
        "picture to codes": lambda: tokenizer.encode(pixels),
        "picture to features": lambda: vision(pixels),
        "prompt with a picture": prompt,
    }


def measure(works: list[str], repeats: int) -> dict[str, dict[str, float]]:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    sides = {"janiform": ours(), "transformers": theirs()}
    results: dict[str, dict[str, float]] = {}
    for name in works or sides["janiform"]:
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for repeat in range(repeats + 1):
            for side, runs in sides.items():
                begun = clock()
                runs[name]()
                if repeat:  # the first packs weights
                    seconds[side].append(clock() - begun)
        figures = {side: statistics.median(taken) for side, taken in seconds.items()}
        results[name] = figures
        ratio = figures["janiform"] / figures["transformers"]
        shown = "  ".join(f"{side} {value:.2f} s" for side, value in figures.items())
        print(f"{name:22} {shown}  ratio {ratio:.2f}", flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three repetitions instead of ten")
    parser.add_argument("--threads", type=int, default=2, help="threads of both sides (default 2)")
    parser.add_argument("--only", nargs="+", default=[], help='works to measure, "codes to picture" for instance')
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with torch.no_grad():
        results = measure(options.only, 3 if options.quick else 10)
    facts = {**cpu(), "transformers": installed("transformers")}
    print(json.dumps(facts))
    if options.json:
        options.json.write_text(json.dumps({"facts": facts, "seconds": results}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
