"""Prepare the digits, train janus-mini on them, and measure what it names and draws: `python examples/digits/run.py`.

An interrupted run continues where it stopped: start it again with the same options.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import janiform
import torch
from attrs import asdict
from janiform import Score, read_recipe
from janiform.evaluate.runner import Evaluation, evaluate
from janiform.report.report import write_report
from janiform.train.run.train import train
from PIL import Image

try:
    from benchmark import DRAWINGS, Digits
    from prepare import WORDS, prepare
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    sys.exit("this example takes its digits from scikit-learn: pip install scikit-learn")

RECIPE = Path(__file__).with_name("digits.toml")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0].split(":")[0])
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/digits"),
        help="folder of everything that is written (default: runs/digits)",
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed of training and of the drawings (default: 0)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting of digits.toml; may be repeated",
    )
    options = parser.parse_args()
    began, worked = time.perf_counter(), time.process_time()
    try:
        prepare(options.out / "data")
        train_run(options.out, options.set, options.seed)
        evaluation, readable = measure(options.out, options.seed)
    except janiform.JaniformError as error:
        sys.exit(str(error))
    write(options.out, evaluation, readable)
    print(
        f"{(time.perf_counter() - began) / 60:.1f} minutes, {(time.process_time() - worked) / 60:.1f} of processor time"
    )


def train_run(out: Path, settings: Sequence[str], seed: int) -> None:
    """Train digits.toml on the data in ``out``, or the rest of it; a finished run is left as it is."""
    folder = out / "run"
    if (folder / "model.safetensors").exists():
        return
    os.environ["JANIFORM_DATA"] = str((out / "data").resolve())  # where the recipe's relative paths start
    train(read_recipe(RECIPE, settings), folder, resume=(folder / "log.jsonl").exists(), seed=seed)
    write_report([folder], folder / "report.html")


def measure(out: Path, seed: int) -> tuple[Evaluation, dict[str, Score]]:
    """The scores of the run, and those of the reader on real held-out digits, also through the tokenizer."""
    model = janiform.load(out / "run")
    benchmark = Digits(out / "data", seed)
    evaluation = evaluate(model, benchmark, lambda activity, done, total: None, pictures=out / "drawings")
    pictures = list(benchmark.pictures.values())
    readable = {
        "real digits": benchmark.readable(pictures),
        "real digits through the tokenizer": benchmark.readable(reconstructed(model, pictures)),
    }
    return evaluation, readable


def reconstructed(model: janiform.Model, pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """Pictures as the model's visual tokenizer encodes and decodes them."""
    tokenizer = model.model.part("generation.tokenizer")
    pixels = torch.stack([model.model.processor.pixels(picture, "generation") for picture in pictures])
    with torch.inference_mode():
        return [janiform.to_pil(one) for one in tokenizer.decode(tokenizer.encode(pixels))]


def write(out: Path, evaluation: Evaluation, readable: dict[str, Score]) -> None:
    """Print the scores, and write them with all items and a sheet of the drawings."""
    scores = {
        "held-out digits named": evaluation.scores["digits.named"],
        "drawings read as the digit asked for": evaluation.scores["digits.drawn"],
        **{f"the reader on {what}": score for what, score in readable.items()},
    }
    for name, score in scores.items():
        print(f"{name:50} {score.value:.3f}  (95 % interval {score.low:.3f}–{score.high:.3f}, of {score.count})")
    drawn = [item for item in evaluation.items if item.metric == "digits.drawn"]
    pictures = [Image.open(out / item.prediction) for item in drawn]
    captions = ["" if item.value else f"not read as {WORDS[int(item.item.split('/')[1])]}" for item in drawn]
    janiform.contact_sheet(pictures, captions, columns=DRAWINGS, cell=64).save(out / "drawings.png")
    record = {"scores": {name: asdict(score) for name, score in scores.items()}, "settings": dict(evaluation.settings)}
    (out / "scores.json").write_text(json.dumps(record, indent=2))
    print(f"drawings: {out / 'drawings.png'}    report of the run: {out / 'run' / 'report.html'}")


if __name__ == "__main__":
    main()
