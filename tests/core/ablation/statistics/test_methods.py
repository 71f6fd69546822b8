"""The choice between the block analysis and paired t, and the seeds that count."""

from __future__ import annotations

import numpy as np
import pytest
from janiform.ablation.statistics.blocks import block_analysis
from janiform.ablation.statistics.methods import BLOCK, PAIRED, Scores, choose_method
from janiform.ablation.statistics.paired import paired_difference

NAMES = ["base", "clip", "patches", "coupled"]


def even(seeds: int, cells: int = 4, seed: int = 0) -> dict[str, list[float | None]]:
    """Cells with nearly the same scatter."""
    rng = np.random.default_rng(seed)
    pattern = np.linspace(-0.02, 0.02, seeds)
    return {name: list(0.5 + rng.normal(0, 0.05) + rng.permutation(pattern)) for name in NAMES[:cells]}


def table(scores: Scores) -> np.ndarray:
    return np.array(list(scores.values()), dtype=float)


@pytest.mark.parametrize("seeds", [3, 5])
def test_cells_of_even_scatter_are_pooled(seeds: int) -> None:
    scores = even(seeds)
    method = choose_method(scores)
    assert (method.name, method.reason) == (BLOCK, "")
    assert method.between("clip", "base") == block_analysis(table(scores)).between(1, 0)
    assert method.complete.all()


def test_the_blocks_are_the_seeds_that_all_cells_have() -> None:
    scores = even(5)
    scores["patches"][1] = None
    scores["clip"][1] = float("nan")
    method = choose_method(scores)
    assert method.name == BLOCK
    assert list(method.complete) == [True, False, True, True, True]
    assert method.between("coupled", "base") == block_analysis(table(scores)[:, [0, 2, 3, 4]]).between(3, 0)
    assert list(method.seeds_of("coupled", "base")) == list(method.complete)


def test_a_cell_without_scores_does_not_cost_the_others_their_seeds() -> None:
    scores = even(3) | {"failed": [None, None, None]}
    method = choose_method(scores)
    assert method.name == BLOCK
    assert method.between("clip", "base") == choose_method(even(3)).between("clip", "base")
    assert method.between("failed", "base") is None


@pytest.mark.parametrize(("missing", "complete"), [([1, 2, 3], 2), ([0, 1, 2, 3, 4, 5], 4)])
def test_pairs_keep_their_own_seeds_where_few_are_complete(missing: list[int], complete: int) -> None:
    seeds = len(missing) + complete
    scores = even(seeds)
    for seed in missing:
        scores["clip"][seed] = None
    method = choose_method(scores)
    assert (method.name, method.reason) == (PAIRED, f"{complete} of {seeds} seeds have a score in every cell")
    difference = method.between("coupled", "base")
    assert difference is not None
    assert difference == paired_difference(table(scores)[3], table(scores)[0])
    clip = method.between("clip", "base")
    assert clip is None if complete < 3 else (clip is not None and clip.count == complete)


def test_cells_of_uneven_scatter_are_not_pooled() -> None:
    scores = even(4)
    middle = table(scores)[2].mean()
    scores["patches"] = [middle + 3.1 * (value - middle) for value in scores["patches"] if value is not None]
    method = choose_method(scores)
    assert method.name == PAIRED
    assert method.reason.startswith("the sd of cell 'patches' (0.0534) is over 3 times that of")
    assert method.between("patches", "base") == paired_difference(table(scores)[2], table(scores)[0])
    scores["patches"] = [middle + 2.9 / 3.1 * (value - middle) for value in scores["patches"] if value is not None]
    assert choose_method(scores).name == BLOCK


def test_a_cell_without_scatter_among_others_is_not_pooled() -> None:
    method = choose_method(even(3) | {"floor": [0.0, 0.0, 0.0]})
    assert method.name == PAIRED
    assert "over 3 times that of 'floor' (0)" in method.reason


def test_two_cells_are_paired_without_a_reason() -> None:
    scores = even(4, cells=2)
    method = choose_method(scores)
    assert (method.name, method.reason) == (PAIRED, "")
    assert method.between("clip", "base") == paired_difference(table(scores)[1], table(scores)[0])


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_have_no_interval(seeds: int) -> None:
    method = choose_method(even(seeds))
    assert (method.name, method.reason) == (PAIRED, "")
    assert method.between("clip", "base") is None


def test_the_level_reaches_both_methods() -> None:
    for scores in (even(5), even(5, cells=2)):
        wide, narrow = (choose_method(scores, alpha).between("clip", "base") for alpha in (0.01, 0.2))
        assert wide is not None
        assert narrow is not None
        assert wide.low < narrow.low < wide.mean < narrow.high < wide.high


def test_tables_with_holes_in_their_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \[2, 3\] seeds"):
        choose_method({"a": [1, 2, 3], "b": [1, 2]})
    with pytest.raises(ValueError, match="a score of cell 'b' is infinite"):
        choose_method({"a": [1, 2, 3], "b": [1, 2, float("inf")]})
