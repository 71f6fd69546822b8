"""Random results of studies, for tests of what is made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from attrs import evolve
from janiform.ablation.results import (
    CellBudget,
    CellChange,
    CellResult,
    CurvePoint,
    MetricFacts,
    MetricResult,
    RunResult,
    ShownItem,
    StageBudget,
    State,
    StudyResults,
)
from PIL import Image

CATEGORIES = ("overall", "one_object", "two_object", "counting", "colors", "position", "color_attri")
TYPES = ("overall", "colour", "count", "shape")
HOSTILE = "<script>alert(1)</script> & \"q\" 'a' </style> ]]> _%$#{}\\~^ \u202e=1+1|`x`"
REASONS = ("the loss is not finite at step 40 of stage-2", "out of memory", "")


def random_results(
    rng: np.random.Generator,
    *,
    cells: int = 4,
    seeds: int = 3,
    finished: float = 1.0,
    scatter: float = 0.02,
    effect: float = 0.05,
    hostile: bool = False,
    long_names: bool = False,
    margin: float = 0.0,
    folder: Path | None = None,
) -> StudyResults:
    """Results with a baseline and cells of two axes.

    Args:
        finished: chance of a run to be done.
        scatter: standard deviation of scores over seeds. effect: that of cells.
        hostile: texts hold markup. long_names: cells have names of over a hundred characters.
        folder: where pictures are written; without, there are none.
    """
    names = ["base", *(f"cell-{number}" for number in range(1, cells))]
    if long_names:
        names = [f"{name}-{'a-very-long-name-' * 7}" for name in names]
    if hostile:
        names = [f"{name} {HOSTILE}" for name in names]
    text = HOSTILE if hostile else "red circle"
    metrics = {f"drawing.{name}": MetricFacts("up", 0.0) for name in CATEGORIES}
    metrics |= {f"understanding.{name}": MetricFacts("up", 0.25) for name in TYPES}
    metrics |= {"loss.picture": MetricFacts("down"), "loss.answer": MetricFacts("down")}
    by_seed = rng.normal(0, scatter, seeds)
    made = [
        _cell(rng, name, number, by_seed, tuple(metrics), finished, scatter, effect, text, folder)
        for number, name in enumerate(names)
    ]
    return StudyResults(
        name=f"study of {text}" if hostile else "encoders",
        description="Does a second encoder help drawing?",
        study_text=f'# {text}\nstudy = 1\nbase = "janus-micro"\nprimary = "drawing.overall"\nseeds = {seeds}\n',
        baseline=names[0],
        primary="drawing.overall",
        margin=margin,
        planned_seeds=tuple(range(seeds)),
        metrics=metrics,
        groups={
            "drawing": tuple(name for name in metrics if name.startswith("drawing")),
            "understanding": tuple(name for name in metrics if name.startswith("understanding")),
            "held-out loss": ("loss.picture", "loss.answer"),
        },
        cells=tuple(made),
        tokenizer="All cells share one text tokenizer of 512 entries, learned from the sources of the study",
        equal="samples by task",
        evaluations={"shapes": {"prompts": 40, "pictures": 2, "seed": 0}},
        provenance={
            "janiform": "0.9",
            "torch": "2.5",
            "git": {"commit": "0123456789abcdef", "changed": True},
            "command": f"janiform ablate {text}",
        },
        written="2026-11-30T18:00:00",
    )


def _cell(
    rng: np.random.Generator,
    name: str,
    number: int,
    by_seed: np.ndarray,
    metrics: tuple[str, ...],
    finished: float,
    scatter: float,
    effect: float,
    text: str,
    folder: Path | None,
) -> CellResult:
    own = rng.normal(0, effect, len(metrics)) * (number > 0)
    runs = []
    for seed, shift in enumerate(by_seed):
        state: State = "done" if rng.random() < finished else rng.choice(["failed", "running", "planned", "stopped"])
        run = RunResult(seed, state, str(rng.choice(REASONS)) if state in ("failed", "stopped") else "")
        if state != "planned":
            run = evolve(run, curve=_curve(rng, seed, state), stages={"tokenizer": "reused", "stage-2": "trained"})
        if state == "done":
            scores = {
                metric: _score(metric, value)
                for metric, value in zip(metrics, 0.5 + own + shift + rng.normal(0, scatter, len(metrics)), strict=True)
            }
            shown = _shown(rng, f"{number}-{seed}", text, folder)
            run = evolve(run, scores=scores, shown=shown, seconds=60 + 5 * rng.random(), weights_sha256="ab" * 32)
        runs.append(run)
    axis = ("encoder", "tokenizer")[number % 2]
    stage = StageBudget(
        400, 12_800, {"draw": 6400, "ask": 6400}, {"text": 9000, "looked_at": 2000, "drawn": 30_000}, 4e12
    )
    budget = CellBudget(
        stages={"tokenizer": StageBudget(100, 3200), "stage-2": stage},
        samples=16_000,
        positions={"text": 9000, "looked_at": 2000, "drawn": 30_000},
        flops=4e12 * (1 + 0.3 * number),
        parameters={
            "total": 3_154_515 - 9000 * number,
            "trained": 3_000_000,
            "to_look": 2_000_000,
            "to_draw": 2_500_000,
        },
        disk=12_600_000,
        residue="0.3 % more FLOPs" if number == 2 else "",
    )
    changes = (CellChange("encoder.use", '"siglip@1"', f'"{text}"'), CellChange("encoder.depth", "", "4")) * (
        number > 0
    )
    return CellResult(
        name, f"{axis} = {text}" if number else "", {axis: text} if number else {}, changes, budget, tuple(runs)
    )


def _score(metric: str, value: float) -> MetricResult:
    if metric.startswith("loss"):
        return MetricResult(150 + 40 * float(value), 128)
    share = float(np.clip(value, 0, 1))
    return MetricResult(share, 240, max(0.0, share - 0.06), min(1.0, share + 0.06))


def _curve(rng: np.random.Generator, seed: int, state: State) -> tuple[CurvePoint, ...]:
    points, total = [], 0
    for stage, losses in (("tokenizer", ("reconstruction",)), ("stage-2", ("generation", "understanding", "text"))):
        for step in range(10, 310 if state == "done" else 150, 10):
            total += 10
            values = {loss: 5 * float(np.exp(-step / 150)) + 0.1 * float(rng.normal()) + 1 for loss in losses}
            points.append(CurvePoint(stage, step, total, 32 * total, total * (0.2 + 0.01 * seed), values))
    return tuple(points)


def _shown(rng: np.random.Generator, run: str, text: str, folder: Path | None) -> tuple[ShownItem, ...]:
    items = []
    for number in range(5):
        right = bool(rng.random() < 0.5)
        if folder is not None:
            picture = f"pictures/{run}-{number}.png"
            (folder / "pictures").mkdir(exist_ok=True, parents=True)
            Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(folder / picture)
            items.append(
                ShownItem(f"draw/{number}", f"three {text}s", picture=picture, correct=right, answer="2 circles")
            )
        answer = "yes" if right else text
        items.append(ShownItem(f"ask/{number}", f"is it a {text}?", answer, "yes", right))
    return tuple(items)
