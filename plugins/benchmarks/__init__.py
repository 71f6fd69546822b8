"""The benchmarks of published papers, as components. Their data are files that the user has; nothing is downloaded."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .gqa.config import GQAConfig
from .mme.config import MMEConfig
from .pope.config import POPEConfig
from .seed_bench.config import SEEDBenchConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "benchmark",
        "pope",
        config=POPEConfig,
        factory="janiform_plugins.benchmarks.pope.benchmark:POPE",
        summary="POPE: does a picture show an object? F1, accuracy and the ratio of yes in three splits",
    )
    registrar.component(
        "benchmark",
        "mme",
        config=MMEConfig,
        factory="janiform_plugins.benchmarks.mme.benchmark:MME",
        summary="MME: pairs of yes-or-no questions in 14 subtasks; points for perception and cognition",
    )
    registrar.component(
        "benchmark",
        "gqa",
        config=GQAConfig,
        factory="janiform_plugins.benchmarks.gqa.benchmark:GQA",
        summary="GQA: questions answered with a word or phrase, compared exactly by four rules",
    )
    registrar.component(
        "benchmark",
        "seed-bench",
        config=SEEDBenchConfig,
        factory="janiform_plugins.benchmarks.seed_bench.benchmark:SEEDBench",
        summary="SEED-Bench: questions with four options about pictures, in nine dimensions",
    )
