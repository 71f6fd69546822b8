"""The demo of a model: it draws, answers, is measured and trains briefly, for its page."""

from __future__ import annotations

import io
import platform
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from attrs import evolve, frozen

from .. import __version__
from ..console import SafeConsole
from ..diagram.svg import diagram_svg
from ..evaluate.benchmarks import SAMPLE, build_benchmark
from ..evaluate.records import scores_of
from ..evaluate.runner import evaluate
from ..measure.costs import measure
from ..recipe import dumps
from ..train.progress.log import read_log
from ..train.progress.reporter import Reporter
from ..train.run.interrupts import RunStoppedError
from ..train.run.train import train
from ..units import count
from .demo_page import DemoPage, ShownScore
from .series import Series

if TYPE_CHECKING:
    from ..components import Component
    from ..contracts import Progress
    from ..inference.api import Model
    from ..recipe import Recipe

_BATCH = 32
"""Largest batch of the short training; with larger ones it would take minutes on a laptop."""

_SAID_ELSEWHERE = ("model", "weights_sha256", "quantize", "attention", "seconds")
"""Settings of the evaluation of the sample that the page gives for everything on it."""


@frozen
class Amounts:
    """Numbers of prompts to draw, questions to ask and training steps."""

    drawings: int = 16
    answers: int = 24
    steps: int = 40


def demo_page(model: Model, benchmark: Component, amounts: Amounts, progress: Progress) -> DemoPage:
    """Draw, answer, measure and train, and return the page. ``benchmark`` provides the examples and the sample."""
    began = time.perf_counter()
    examples = build_benchmark(benchmark).show(model, amounts.drawings, amounts.answers, progress)
    scores, settings = _sampled(model, benchmark, progress)
    curve, note = _trained(model.recipe, amounts.steps, progress)
    costs = measure(model.model.plan)
    seconds = time.perf_counter() - began
    return DemoPage(
        name=model.recipe.name,
        description=model.recipe.description,
        facts=_facts(model, count(costs.parameters), scores, seconds),
        showcase=examples,
        scores=scores,
        curve=curve,
        curve_note=note,
        diagram=diagram_svg(model.model.plan, costs),
        recipe=recipe_text(model.recipe),
        commands=_commands(model.name),
        settings=_settings(model, benchmark, settings, seconds),
    )


def recipe_text(recipe: Recipe) -> str:
    """The recipe's file where a plugin has it, which is shorter and has comments; otherwise the resolved recipe."""
    from ..components.registry import registry

    path = registry().recipes().get(recipe.name)
    return dumps(recipe) if path is None else path.read_text(encoding="utf-8")


def _sampled(
    model: Model, benchmark: Component, progress: Progress
) -> tuple[tuple[ShownScore, ...], Mapping[str, Any]]:
    """Scores on the benchmark's sample, with the full scores that are stored with the weights."""
    if SAMPLE not in benchmark.presets:
        return (), {}
    measured = evaluate(model, build_benchmark(benchmark, benchmark.presets[SAMPLE]), progress)
    recorded = scores_of((model.facts.get("scores") or {}).get(benchmark.name, {}))
    scores = []
    for name, score in measured.scores.items():
        if measured.metrics[name].direction == "up" and 0 <= score.value <= 1:  # the page has bars from 0 to 1
            group, _, last = name.rpartition(".")
            full = recorded.get(name)
            scores.append(ShownScore(group, last, score.value, score.count, None if full is None else full.value))
    return tuple(scores), {name: value for name, value in measured.settings.items() if name not in _SAID_ELSEWHERE}


def _trained(recipe: Recipe, steps: int, progress: Progress) -> tuple[dict[str, Series], str]:
    """Losses of the first steps of the recipe's last stage, by pathway, and a note; empty without stages."""
    names = recipe.training.stages or tuple(recipe.stages)
    if not names or steps < 1:
        return {}, ""
    stage = recipe.stages[names[-1]]
    short = evolve(stage, batch=min(stage.batch, _BATCH), warmup=min(stage.warmup, steps), log_every=1, sample_every=0)
    recipe = evolve(recipe, stages={**recipe.stages, stage.name: short})
    progress("training", 0, steps)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="janiform-demo-") as folder:
        try:
            run = train(
                recipe,
                Path(folder) / "run",
                stages=[stage.name],
                until=steps,
                reporter=_Steps(progress, steps),
                ahead=0,
            )
        except RunStoppedError:
            raise KeyboardInterrupt("interrupted during the short training; no page was written") from None
        entries: list[dict[str, Any]] = read_log(run / "log.jsonl")
    curve: dict[str, list[tuple[float, float]]] = {}
    for entry in entries:
        for name, loss in entry["losses"].items():
            curve.setdefault(name, []).append((entry["step"], loss))
    note = (
        f"The first {len(entries)} steps of the recipe's stage `{stage.name}`, from random weights, {short.batch} "
        f"samples each, in {time.perf_counter() - began:.0f} seconds: the loss of each pathway, in nats per prediction."
    )
    modes = {name: pathway.mode for name, pathway in recipe.pathways.items()}
    order = sorted(
        curve, key=lambda name: ("draw", "look", "").index(modes.get(name, ""))
    )  # the order of the scores' colours
    return {name: curve[name] for name in order}, note


class _Steps(Reporter):
    """Passes the steps of the short training to the demo's progress, and prints nothing."""

    def __init__(self, progress: Progress, steps: int) -> None:
        super().__init__(SafeConsole(file=io.StringIO()))
        self._progress, self._steps, self._done = progress, steps, 0

    def advance(self) -> None:
        self._done += 1
        self._progress("training", min(self._done, self._steps), self._steps)


def _facts(
    model: Model, parameters: str, scores: tuple[ShownScore, ...], seconds: float
) -> tuple[tuple[str, str], ...]:
    facts = [(parameters, "parameters")]
    overall = next((score for score in scores if score.name == "overall"), None)
    if overall is not None and overall.full is not None:
        facts.append((f"{100 * overall.full:.0f} %", f"of {overall.group} right, in the full evaluation"))
    elif overall is not None:
        facts.append((f"{100 * overall.sample:.0f} %", f"of {overall.group} right, in a sample of {overall.count}"))
    trained = model.facts.get("seconds")
    if isinstance(trained, int | float):
        facts.append((f"{trained / 60:.0f} min", "of training, from random weights"))
    cores = torch.get_num_threads()
    where = f"{cores} CPU core{'s' * (cores > 1)}" if model.model.device.type == "cpu" else str(model.model.device)
    facts.append((f"{seconds:.0f} s", f"for everything on this page, on {where}"))
    return tuple(facts)


def _commands(name: str) -> tuple[tuple[str, str], ...]:
    return (
        (f'janiform generate {name} "three green crosses" --n 4 --out pictures', "Draw from your own prompt"),
        (
            f'janiform ask {name} pictures/three-green-crosses-001.png "how many crosses are there?"',
            "Ask about a picture",
        ),
        (f"janiform show {name} > mine.toml && janiform check mine.toml", "Change a part and check that it fits"),
        ("janiform train mine.toml --out runs/mine", "Train your own"),
    )


def _settings(model: Model, benchmark: Component, measured: Mapping[str, Any], seconds: float) -> dict[str, str]:
    """The settings behind the numbers on the page, as text."""
    facts: dict[str, Any] = {
        "model": model.name,
        "weights": f"sha256 {model.digest[:16]}…" if model.digest else "",
        "trained with": model.facts.get("command", ""),
        "training seed": model.facts.get("seed", ""),
        "benchmark": benchmark.reference,
        **measured,
        "device": str(model.model.device),
        "threads": torch.get_num_threads(),
        "janiform": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "made in": f"{seconds:.0f} s",
        "made on": time.strftime("%Y-%m-%d"),
    }
    return {name: str(value) for name, value in facts.items() if value not in ("", None)}
