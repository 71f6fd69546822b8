"""A selector means what its path holds, and never nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform import JaniformError
from janiform.compose.selectors import select

NAMES = [
    "backbone.layers.0.norm.weight",
    "backbone.layers.10.norm.weight",
    "generation.adapter.layers.0.weight",
    "generation.adapter_norm.weight",
    "understanding.adapter.layers.0.weight",
]


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [
        ("generation.adapter", {2}),
        ("generation", {2, 3}),
        ("*.adapter", {2, 4}),
        ("backbone.layers.1?", {1}),
        ("backbone.*.norm", {0, 1}),
        ("*", {0, 1, 2, 3, 4}),
        ("generation.adapter.layers.0.weight", {2}),
        ("generation.adapter[!.]*", {3}),
    ],
)
def test_paths_and_patterns(selector: str, wanted: set[int]) -> None:
    assert select(NAMES, [selector]) == {NAMES[number] for number in wanted}


def test_every_selector_without_a_match_is_told_with_the_nearest_path() -> None:
    with pytest.raises(JaniformError) as caught:
        select(NAMES, ["backbone", "generation.adaptor", "adapter"])
    assert [(one.message, one.hint) for one in caught.value.problems] == [
        ("selector 'generation.adaptor' matches no parameter", "did you mean 'generation.adapter'?"),
        ("selector 'adapter' matches no parameter", caught.value.problems[1].hint),
    ]


def test_a_shared_part_is_selected_by_each_of_its_paths() -> None:
    shared = {"painting.adapter": "generation.adapter"}
    assert select(NAMES, ["painting"], shared) == {NAMES[2]}
    assert select(NAMES, ["*.adapter"], shared) == {NAMES[2], NAMES[4]}
    with pytest.raises(JaniformError):
        select(NAMES, ["painting.adapter_norm"], shared)


paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join)


@given(st.sets(paths, min_size=1), paths)
def test_a_path_selects_exactly_what_lies_under_it(names: set[str], selector: str) -> None:
    under = {name for name in names if name == selector or name.startswith(selector + ".")}
    if under:
        assert select(names, [selector]) == under
    else:
        with pytest.raises(JaniformError):
            select(names, [selector])
