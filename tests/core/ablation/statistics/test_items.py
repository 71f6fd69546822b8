"""Two models on the same items: the probe P5, McNemar's, joining, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from attrs import frozen
from janiform import UsageError
from janiform.ablation.statistics.items import mcnemar, paired_items
from janiform.ablation.statistics.paired import unpaired_error
from scipy import stats

A, B = ([float(digit) for digit in digits] for digits in ("111010110110", "101010010111"))


@frozen
class Item:
    item: str
    cluster: str
    value: float


def items(values: Sequence[float], clusters: Sequence[str] | None = None) -> list[Item]:
    return [Item(f"i{i}", clusters[i] if clusters else f"i{i}", float(value)) for i, value in enumerate(values)]


def test_paired_verdicts_have_the_error_of_the_probe() -> None:
    comparison = paired_items(items(A), items(B))
    assert comparison.se == pytest.approx(0.148647, abs=5e-7)
    assert unpaired_error(A, B) == pytest.approx(0.205665, abs=5e-7)
    assert comparison.mcnemar is not None
    assert (comparison.mcnemar.only_first, comparison.mcnemar.only_second) == (2, 1)
    assert comparison.difference == pytest.approx(1 / 12)
    assert comparison.correlation == pytest.approx(np.corrcoef(A, B)[0, 1])
    assert comparison.high - comparison.low == pytest.approx(2 * 1.959964 * comparison.se)


def test_mcnemars_test_is_that_of_the_probe() -> None:
    for discordant in ((12, 4), (4, 12)):
        test = mcnemar(*discordant)
        assert (test.p, test.mid_p) == pytest.approx((0.076813, 0.049042), abs=5e-7)
    assert mcnemar(43, 15).p == pytest.approx(0.0003, abs=5e-5)


@pytest.mark.parametrize("trial", range(15))
def test_mcnemars_test_agrees_with_the_binomial_test(trial: int) -> None:
    b, c = (int(number) for number in np.random.default_rng(trial).integers(0, 30, 2))
    test = mcnemar(b, c)
    assert test.p == pytest.approx(stats.binomtest(min(b, c), b + c).pvalue if b + c else 1)
    if b != c:  # splits that are less even count whole, those as uneven as the observed half
        chances, uneven = stats.binom.pmf(np.arange(b + c + 1), b + c, 0.5), np.abs(2 * np.arange(b + c + 1) - b - c)
        assert test.mid_p == pytest.approx(chances[uneven > abs(b - c)].sum() + chances[uneven == abs(b - c)].sum() / 2)


@pytest.mark.parametrize("trial", range(5))
def test_items_are_joined_by_id_and_clustered(trial: int) -> None:
    rng = np.random.default_rng(trial)
    prompts, each = int(rng.integers(2, 9)), int(rng.integers(2, 5))
    a, b = rng.random((2, prompts * each))
    clusters = [f"prompt{i // each}" for i in range(prompts * each)]
    shuffled = [items(b, clusters)[i] for i in rng.permutation(prompts * each)]
    comparison = paired_items(items(a, clusters), shuffled)
    deviations = a - b - (a - b).mean()
    together = deviations.reshape(prompts, each).sum(axis=1)
    n = prompts * each
    expected = (deviations**2).sum() / (n - 1) / n + ((together**2).sum() - (deviations**2).sum()) / n**2
    assert comparison.se == pytest.approx(np.sqrt(expected))
    assert (comparison.count, comparison.clusters) == (n, prompts)
    assert comparison.difference == pytest.approx(comparison.mean_first - comparison.mean_second)
    assert comparison.mcnemar is None


def test_mcnemars_test_is_left_out_where_items_depend_on_one_another_or_are_not_verdicts() -> None:
    assert paired_items(items([1, 0, 1, 0], "aabb"), items([1, 1, 1, 0], "aabb")).mcnemar is None
    assert paired_items(items([1, 0, 0.5]), items([1, 1, 1])).mcnemar is None


def test_models_that_agree_on_all_items_have_no_scatter_and_no_nan() -> None:
    comparison = paired_items(items([1, 1, 1]), items([1, 1, 1]))
    assert (comparison.difference, comparison.se, comparison.low, comparison.high) == (0, 0, 0, 0)
    assert comparison.correlation is None
    assert comparison.mcnemar == mcnemar(0, 0)
    assert mcnemar(0, 0).p == mcnemar(0, 0).mid_p == 1


def test_items_that_one_model_lacks_are_counted_on_both_sides() -> None:
    first, second = items([1, 0, 1, 1, 0]), items([1, 0, 1, 1, 0, 1])
    with pytest.raises(UsageError) as error:
        paired_items(first, second[2:])
    assert [str(problem) for problem in error.value.problems] == [
        "2 of 5 items (i0, i1) of the first model are missing in the other",
        "1 of 4 items (i5) of the second model are missing in the other",
    ]


def test_items_that_cannot_be_joined_are_refused() -> None:
    with pytest.raises(UsageError, match="1 of 3 items of the second model repeat an id"):
        paired_items(items([1, 0]), [*items([1, 0]), *items([1])])
    with pytest.raises(UsageError, match=r"1 of 2 items \(i1\) have another cluster"):
        paired_items(items([1, 0], "ab"), items([1, 0], "aa"))
    with pytest.raises(UsageError, match=r"1 of 2 items \(i0\) of the first model have no finite value"):
        paired_items(items([float("nan"), 0]), items([1, 0]))
    with pytest.raises(UsageError, match="at least 2 items, got 1"):
        paired_items(items([1]), items([1]))
