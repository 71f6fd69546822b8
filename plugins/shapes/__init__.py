"""Coloured shapes, a synthetic data set, as components: a source to train on, and a benchmark."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .config import PRESETS, BenchmarkConfig, ShapesConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "source",
        "shapes",
        config=ShapesConfig,
        factory="janiform_plugins.shapes.source:Shapes",
        summary="64×64 pictures of coloured shapes, rendered on demand: captions, questions or texts about them",
    )
    registrar.component(
        "benchmark",
        "shapes",
        config=BenchmarkConfig,
        presets=PRESETS,
        factory="janiform_plugins.shapes.benchmark:ShapesBenchmark",
        summary="drawing in GenEval's six categories, judged by a verifier, and six types of questions",
    )
