"""The benchmarks of published papers, as components."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .dpg.config import DpgBenchConfig
from .geneval.config import GenEvalConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "benchmark",
        "geneval",
        config=GenEvalConfig,
        factory="janiform_plugins.benchmarks.geneval.benchmark:GenEval",
        summary="GenEval: drawings of objects, their number, colours and positions, judged by a detector",
    )
    registrar.component(
        "benchmark",
        "dpg-bench",
        config=DpgBenchConfig,
        factory="janiform_plugins.benchmarks.dpg.benchmark:DpgBench",
        summary="DPG-Bench: drawings of long prompts, judged by questions about them",
    )
