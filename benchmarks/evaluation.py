"""The runner of evaluations against a plain loop of ``ask_all`` calls: answers per second, and memory.

    python benchmarks/evaluation.py --out evaluation.json
    python benchmarks/evaluation.py --quick

janus-mini answers the same questions twice, in turn: in a loop of ``ask_all`` calls with batches as large as the
runner's, in the order of the questions, and by the runner, without held-out losses. With several questions per picture
the runner encodes a picture once and reads the prompts up to its end once. Seconds are those of the processor, so that
other programs count for little. Prints, as JSON, the answers per second, the median ratio, and the lowest and highest
of one turn; then the peak memory after two numbers of items whose requests are made when they are needed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hardware
import janiform
import numpy as np
import torch
from janiform import Conversation, Item, Metric, Model, Request, Score, mean_score
from janiform.evaluate.runner import evaluate
from janiform.inference.memory import MOST
from PIL import Image

QUESTIONS = [
    "how many squares are there?",
    "is there a red circle?",
    "what is above the blue square?",
    "what color is the triangle?",
    "how many shapes are there in the picture?",
    "is there a small green cross?",
]

TOKENS = 4


class Questions(Sequence[Request]):
    """``each`` questions about every one of some pictures, made when they are taken."""

    def __init__(self, pictures: int, each: int) -> None:
        self.pictures, self.each = pictures, each

    def __len__(self) -> int:
        return self.pictures * self.each

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        number, question = divmod(index, self.each)
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        conversation = Conversation.asking(QUESTIONS[question], Image.fromarray(pixels))
        return Request(str(index), str(number), conversation, settings={"max_new_tokens": TOKENS})


class Benchmark:
    """Counts answers that are not empty."""

    metrics: Mapping[str, Metric] = {"answered": Metric()}

    def __init__(self, given: Sequence[Request]) -> None:
        self.given = given

    def requests(self) -> Sequence[Request]:
        return self.given

    def judge(self, request: Request, output: Any) -> Mapping[str, float]:
        return {"answered": float(bool(output))}

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        return {"answered": mean_score(items)}

    def show(self, *_: Any) -> Any:
        raise NotImplementedError


def in_a_loop(model: Model, given: Sequence[Request]) -> list[str]:
    answers = []
    for start in range(0, len(given), MOST):
        batch = [given[index] for index in range(start, min(start + MOST, len(given)))]
        pairs = [(one.conversation.turns[0].content[0].picture, one.conversation.turns[0].content[-1]) for one in batch]
        answers += model.ask_all(pairs, max_new_tokens=TOKENS)
    return answers


def by_the_runner(model: Model, given: Sequence[Request]) -> list[str]:
    return [item.prediction for item in evaluate(model, Benchmark(given), lambda *_: None).items]


def compared(model: Model, each: int, count: int, turns: int) -> dict[str, Any]:
    """Both ways in turn, with ``each`` questions per picture."""
    seconds: dict[str, list[float]] = {"loop": [], "runner": []}
    given = [*Questions(count // each, each)]
    different = 0
    for _ in range(turns):
        answers = {}
        for name, way in {"loop": in_a_loop, "runner": by_the_runner}.items():
            began = time.process_time()
            answers[name] = way(model, given)
            seconds[name].append(time.process_time() - began)
        different = sum(one != other for one, other in zip(answers["loop"], answers["runner"], strict=True))
    ratios = [loop / runner for loop, runner in zip(seconds["loop"], seconds["runner"], strict=True)]
    return {
        "questions_per_picture": each,
        "answers": len(given),
        "different_answers": different,
        "loop_answers_per_second": round(len(given) / statistics.median(seconds["loop"]), 1),
        "runner_answers_per_second": round(len(given) / statistics.median(seconds["runner"]), 1),
        "ratio": round(statistics.median(ratios), 2),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
    }


def peak_mib(model: Model, items: int) -> float:
    """The peak memory of this process after an evaluation of some items."""
    by_the_runner(model, Questions(items // 4, 4))
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="Few questions and two turns, for a test.")
    parser.add_argument("--out", type=Path, help="Also write the JSON to this file.")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = janiform.load("janus-mini")
    count, turns, items = (48, 2, (80, 160)) if arguments.quick else (384, 5, (1000, 10_000))
    by_the_runner(model, Questions(4, 4))  # what is allocated and compiled once
    result = {
        "hardware": hardware.cpu(),
        "throughput": [compared(model, each, count, turns) for each in (1, 4, 6)],
        "peak_memory_mib": {str(number): peak_mib(model, number) for number in items},
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
