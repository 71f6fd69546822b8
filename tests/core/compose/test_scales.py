"""Codes of several scales in composition: what does not fit is refused with a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from janiform import Codes, CompositionError, Grid
from janiform.compose.ports import _fault
from scales_models import scales_plan
from tiny_recipes import TOKENIZER

SCALES = (Grid(1, 1), Grid(2, 3), Grid(4, 5))


def test_a_picture_has_the_codes_of_all_its_scales() -> None:
    codes = Codes(9, SCALES[-1], 4, scales=SCALES)
    assert codes.tokens == 1 + 6 + 20 == len(codes.predicted)
    assert str(codes) == "codes [B, 27, 1] of 9 on 3 scales up to 4×5"
    assert _fault(codes) == ""
    shape = scales_plan().pathways["generation"]
    assert shape.block_lengths == (1, 4, 9, 64)
    assert shape.tokens == 78
    assert not shape.place_by_place


@pytest.mark.parametrize(
    ("codes", "sentence"),
    [
        (Codes(9, Grid(4, 4), 4, scales=SCALES), "whose last scale is 4×5 and not its grid"),
        (Codes(9, SCALES[-1], 4, scales=(Grid(0, 1), SCALES[-1])), "one of whose scales is 0×1"),
        (Codes(9, SCALES[-1], 4, given={0: 3}, scales=SCALES), "which has scales and given codes"),
    ],
)
def test_impossible_scales_are_faults(codes: Codes, sentence: str) -> None:
    assert sentence in _fault(codes)


ONE_GRID = TOKENIZER | {"use": "vq"}

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (
        {"sampler": {"use": "autoregressive"}},
        "generation.sampler",
        "the sampler 'autoregressive' does not draw scale by scale, but the tokenizer has codes",
    ),
    (
        {"sampler": {"use": "masked"}},
        "generation.sampler",
        "the sampler 'masked' does not draw scale by scale, but the tokenizer has codes",
    ),
    (
        {"tokenizer": ONE_GRID, "embedding": {"use": "table"}},
        "generation.sampler",
        "the sampler 'scales' draws the scales of a picture one after the other, but the tokenizer has codes",
    ),
    (
        {"embedding": {"use": "table"}},
        "generation.embedding",
        "gives the vector of a code at its own place, but those of codes",
    ),
    (
        {"embedding": {"use": "table", "positions": "waves"}},
        "generation.embedding",
        "embedding 'table' has positions on one grid",
    ),
    (
        {"backbone": {"use": "bamba", "vocabulary": 300, "width": 16, "inner": 32, "layers": 1, "heads": 2,
                      "mamba_heads": 2, "attention": [], "context": 256}},
        "generation.tokenizer",
        "positions of a scale see one another, which",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "path", "sentence"), REFUSED, ids=range(len(REFUSED)))
def test_parts_that_do_not_fit_scales_are_refused(settings: dict[str, Any], path: str, sentence: str) -> None:
    with pytest.raises(CompositionError) as refusal:
        scales_plan(**settings)
    assert any(problem.path == path and sentence in problem.message for problem in refusal.value.problems)
