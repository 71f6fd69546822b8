"""Training packed against training padded: useful tokens per second on mixtures with the lengths of real data.

    python benchmarks/packed.py --samples 8 --steps 5 --out packed.json

The same samples, with lengths as in benchmarks/packing.py, are trained on by the engine twice: in rows of 4096 that
hold several, and in rows of one sample, padded to the longest. The model is janus-mini with pictures of 576 tokens,
both times, and a backbone of the given size; reading, collating and the update of weights are measured with it. Both
take turns step by step, in processor time, so that other programs on the machine count for little; the ratio is that
of each pair of steps, which differ in how long their longest sample is. Prints, as JSON, medians, the ratio over all
steps, and the median, lowest and highest ratio of a step.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import hardware
import numpy as np
import torch
from attrs import evolve, frozen
from janiform import Conversation, read_recipe
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.train.checkpoints.checkpoint import Position
from janiform.train.data.seeding import seeds_of
from janiform.train.loop.loop import train_steps
from janiform.train.loop.stage import StageRun
from numpy.typing import NDArray
from packing import KINDS, LENGTH, MIXTURES

WORDS = ["red", "blue", "green", "one", "two", "round", "small", "big"]


@frozen
class Samples:
    """Samples of a kind: text of a random length, with a picture to look at or to draw.

    ``look`` and ``draw`` are sides of pictures in pixels; with ``codes``, a picture to draw has this number of codes.
    """

    kind: str
    look: int
    draw: int
    codes: int = 0

    def example(self, index: int) -> Conversation:
        rng = np.random.default_rng((sorted(KINDS).index(self.kind), index))
        _, median, sigma = KINDS[self.kind]
        count = min(LENGTH, max(1, round(float(np.exp(rng.normal(np.log(median), sigma))))))
        words = " ".join(rng.choice(WORDS, count))
        if self.kind == "text":
            return Conversation.document(words)
        if self.kind == "chat":
            return Conversation.asking("which?", noise(self.look, rng), answer=words)
        known = rng.integers(0, 1024, (self.codes, 1)) if self.codes else noise(self.draw, rng)
        return Conversation.drawing(words, known)


def noise(side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture of random pixels."""
    return rng.integers(0, 256, (side, side, 3), dtype=np.uint8)


def recipe_of(width: int, layers: int) -> Any:
    side = 192
    changes = {
        "backbone.width": width,
        "backbone.inner": width * 11 // 4,
        "backbone.layers": layers,
        "backbone.heads": width // 32,
        "backbone.kv_heads": width // 32,
        "backbone.context": LENGTH,
        "understanding.encoder.image_size": side,
        "understanding.adapter": '{ use = "mlp", depth = 2 }',  # a position for each of the encoder's, as in Janus
        "generation.tokenizer.image_size": side,
    }
    return read_recipe("janus-mini", [f"{key}={value}" for key, value in changes.items()]), side


def stage_run(recipe: Any, mixture: dict[str, float], samples: int, packed: int, sources: dict[str, Samples]) -> Any:
    """The second stage of the recipe, on other data."""
    torch.manual_seed(0)
    model = build_model(compose(recipe))
    model.processor.fit([" ".join(WORDS), "which?"] * 3)
    stage = recipe.stages["stage-2"]
    config = evolve(stage.objective.config, packed=packed, text_dropout=0.0)
    stage = evolve(
        stage, mixture=mixture, batch=samples, muon=(), log_every=1, objective=evolve(stage.objective, config=config)
    )
    run = StageRun(stage, model, Position(stage.name), seeds_of(recipe).stage(stage.name))
    return train_steps(run, sources, stage.steps)


def measure(recipe: Any, mixture: dict[str, float], options: argparse.Namespace, side: int) -> dict[str, Any]:
    sources = {kind: Samples(kind, side, side, codes=(side // 8) ** 2) for kind in mixture}
    loops = {
        name: stage_run(recipe, mixture, options.samples, packed, sources)
        for name, packed in (("packed", LENGTH), ("padded", 0))
    }
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    seconds = dict.fromkeys(loops, 0.0)
    full: dict[str, list[float]] = {name: [] for name in loops}
    for step in range(options.steps + 1):
        tokens = set()
        for name, loop in loops.items():
            began = time.process_time()
            entry = next(loop)
            spent = time.process_time() - began
            tokens.add(entry.tokens)
            if step:  # the first pays for allocations
                speeds[name].append(entry.tokens / spent)
                seconds[name] += spent
                full[name].append(entry.packing)
        assert len(tokens) == 1, "both learn from the same tokens"
    ratios = [one / other for one, other in zip(speeds["packed"], speeds["padded"], strict=True)]
    return {
        "useful_tokens_per_second": {name: round(statistics.median(values)) for name, values in speeds.items()},
        "full": {name: round(statistics.fmean(values), 3) for name, values in full.items()},
        "of_all_steps": round(seconds["padded"] / seconds["packed"], 2),
        "median": round(statistics.median(ratios), 2),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=24, help="samples per step")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--mixtures", nargs="*", default=[name for name in MIXTURES if name.startswith("stage")])
    parser.add_argument("--out", help="write the results there as well")
    options = parser.parse_args()
    recipe, side = recipe_of(options.width, options.layers)
    result = {
        "hardware": hardware.cpu(),
        "settings": {name: getattr(options, name) for name in ("samples", "steps", "width", "layers")},
        "results": {name: measure(recipe, MIXTURES[name], options, side) for name in options.mixtures},
    }
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        Path(options.out).write_text(text + "\n")


if __name__ == "__main__":
    main()
