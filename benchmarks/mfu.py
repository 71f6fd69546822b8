"""Model FLOPs utilisation of a stage at real size, on the device at hand.

    python benchmarks/mfu.py janus-pro-1b stage-2 --samples 36 --micro-batch 18 --set text.vocabulary=2000 \
        --set stage.stage-2.compile=true --set stage.stage-2.checkpointing=false

The stage trains as ``janiform train`` would, with its packing, kernel, optimizer and clipping, on samples that are made
here with the lengths of benchmarks/packing.py: pictures are of random pixels at the recipe's size, and what is drawn
comes first as pixels, which go through the visual tokenizer in every step, then as codes that are known already. MFU is
that of the log: the FLOPs that a step needs, without those of recomputed activations, over the data sheet's dense
bfloat16 FLOPs. Every step is timed whole, data wait included; the first ones, which compile, are left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from contextlib import closing
from typing import Any

import hardware
import torch
from attrs import evolve
from janiform import read_recipe
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.train.checkpoints.checkpoint import Position
from janiform.train.data.seeding import seeds_of
from janiform.train.loop.loop import Loading, train_steps
from janiform.train.loop.precision import arithmetic
from janiform.train.loop.stage import StageRun
from janiform.train.loop.throughput import memory_peak, peak_flops
from janiform.train.progress.log import LogEntry
from packed import WORDS, Samples
from packing import MIXTURES


def measure(run: StageRun, sources: dict[str, Samples], options: argparse.Namespace) -> dict[str, Any]:
    """Some steps of a stage, from where it stands."""
    until = run.position.step + options.warmup + options.steps
    loop = train_steps(run, sources, until, loading=Loading(2 * options.workers, options.workers))
    seconds: list[float] = []
    entries: list[LogEntry] = []
    with closing(loop):
        while run.position.step < until:
            began = time.perf_counter()
            entry = next(loop)
            seconds.append(time.perf_counter() - began)
            print(f"step {run.position.step}: {seconds[-1]:.2f} s, MFU {entry.mfu:.3f}", flush=True)
            entries.append(entry)
    seconds, entries = seconds[options.warmup :], entries[options.warmup :]
    return {
        "seconds_per_step": round(statistics.median(seconds), 3),
        "tokens_per_second": round(sum(entry.tokens or 0 for entry in entries) / sum(seconds)),
        "full": round(statistics.fmean(entry.packing or 0 for entry in entries), 3),
        "data_wait": round(statistics.fmean(entry.data_wait for entry in entries), 3),
        "mfu": round(statistics.median(entry.mfu or 0 for entry in entries), 3),
        "lowest": round(min(entry.mfu or 0 for entry in entries), 3),
        "highest": round(max(entry.mfu or 0 for entry in entries), 3),
        "memory_gb": round(memory_peak(run.model.device) / 1e9, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="janus-pro-1b")
    parser.add_argument("stage", nargs="?", default="stage-2")
    parser.add_argument("--samples", type=int, default=36, help="samples per step")
    parser.add_argument("--micro-batch", type=int, default=18)
    parser.add_argument("--warmup", type=int, default=3, help="steps that are not counted")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--mixture", default="stage 2 (2:3:5)", choices=list(MIXTURES))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--attention", default="auto")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    recipe = read_recipe(options.recipe, [f'training.attention="{options.attention}"', *options.overrides])
    plan = compose(recipe)
    torch.manual_seed(0)
    model = build_model(plan, device=torch.device(options.device))
    model.processor.fit([" ".join(WORDS), "which?"] * 3)
    stage = evolve(
        recipe.stages[options.stage],
        mixture=MIXTURES[options.mixture],
        batch=options.samples,
        micro_batch=options.micro_batch,
        log_every=1,
    )
    run = StageRun(stage, model, Position(stage.name), seeds_of(recipe).stage(stage.name))
    look, draw = (recipe.part(path).config.image_size for path in ("understanding.encoder", "generation.tokenizer"))
    codes = plan.pathways["generation"].codes.tokens
    dtype = arithmetic(stage.precision, model.device)
    results = {
        name: measure(run, {kind: Samples(kind, look, draw, codes=known) for kind in stage.mixture}, options)
        for name, known in (("drawn from pixels", 0), ("drawn from codes", codes))
    }
    shown = {
        "recipe": recipe.name,
        "stage": stage.name,
        "hardware": hardware.here(model.device),
        "settings": {**vars(options), "kernel": None if run.attention is None else run.attention.name},
        "peak_tflops": round(peak_flops(model.device, dtype) / 1e12, 1),
        "results": results,
    }
    print(json.dumps(shown, indent=2))


if __name__ == "__main__":
    main()
