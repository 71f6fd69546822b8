"""The benchmarks: those of published papers, whose data are files of the user, and that of shapes, which needs none."""

from __future__ import annotations

from janiform import Registrar, hookimpl

from .dpg.config import DpgBenchConfig
from .geneval.config import GenEvalConfig
from .gqa.config import GQAConfig
from .mm_vet.config import MMVetConfig
from .mmbench.config import MMBenchConfig
from .mme.config import MMEConfig
from .mmmu.config import MMMUConfig
from .pope.config import POPEConfig
from .seed_bench.config import SEEDBenchConfig
from .shapes.config import PRESETS, ShapesBenchmarkConfig
from .shapes_edit.config import PRESETS as EDIT_PRESETS
from .shapes_edit.config import ShapesEditConfig


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "benchmark",
        "shapes",
        config=ShapesBenchmarkConfig,
        presets=PRESETS,
        factory="janiform_plugins.benchmarks.shapes.benchmark:ShapesBenchmark",
        summary="drawing in GenEval's six categories, judged by a verifier, and six types of questions",
    )
    registrar.component(
        "benchmark",
        "shapes-edit",
        config=ShapesEditConfig,
        presets=EDIT_PRESETS,
        factory="janiform_plugins.benchmarks.shapes_edit.benchmark:ShapesEditBenchmark",
        summary="six kinds of edits of pictures of shapes: was the change made, and everything else kept?",
    )
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
    registrar.component(
        "benchmark",
        "mmbench",
        config=MMBenchConfig,
        factory="janiform_plugins.benchmarks.mmbench.benchmark:MMBench",
        summary="MMBench: questions with two to four options in every rotation; circular and vanilla accuracy",
    )
    registrar.component(
        "benchmark",
        "mmmu",
        config=MMMUConfig,
        factory="janiform_plugins.benchmarks.mmmu.benchmark:MMMU",
        summary="MMMU: college exams in 30 subjects with one or several pictures; choices and open questions",
    )
    registrar.component(
        "benchmark",
        "mm-vet",
        config=MMVetConfig,
        factory="janiform_plugins.benchmarks.mm_vet.benchmark:MMVet",
        summary="MM-Vet: open questions that need several capabilities, graded by a judge",
    )
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
