"""Published scores belong to metrics that the benchmarks have, and lie in their ranges."""

from __future__ import annotations

import pytest
from janiform_plugins.benchmarks.config import QuestionsConfig
from janiform_plugins.benchmarks.gqa.benchmark import GQA
from janiform_plugins.benchmarks.mme.benchmark import MME
from janiform_plugins.benchmarks.pope.benchmark import POPE
from janiform_plugins.benchmarks.questions import QuestionBenchmark
from janiform_plugins.benchmarks.seed_bench.benchmark import SEEDBench


@pytest.mark.parametrize("kind", [POPE, MME, GQA, SEEDBench])
def test_published_scores_fit_the_metrics(kind: type[QuestionBenchmark]) -> None:
    benchmark = kind(QuestionsConfig())
    assert {published.model for published in benchmark.published} == {"janus-1.3b", "janus-pro-1b", "janus-pro-7b"}
    for published in benchmark.published:
        assert published.metric in benchmark.metrics
        assert (published.value > 1) == (published.metric == "mme.perception")
