"""Previews: the codes so far, and a picture in which the rest goes on like what is drawn."""

from __future__ import annotations

import janiform
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from janiform import Grid, Model, Preview, UsageError, decode_codes, to_pil
from janiform.inference import memory as room
from janiform.inference.generate.preview import filled


@pytest.fixture(scope="module")
def model(tiny_model: janiform.UnifiedModel) -> Model:
    return Model(tiny_model)


@given(
    height=st.integers(1, 5), width=st.integers(1, 5), depth=st.integers(1, 2), seed=st.integers(0, 99), data=st.data()
)
def test_what_is_not_drawn_is_taken_from_the_nearest(
    height: int, width: int, depth: int, seed: int, data: st.DataObject
) -> None:
    count = height * width
    codes = torch.from_numpy(np.random.default_rng(seed).integers(0, 50, (2, count, depth)))
    for row in codes:
        for place in data.draw(st.sets(st.integers(0, count - 1))):
            row[place] = -1
    seen = filled(codes, Grid(height, width))
    for row, full in zip(codes, seen, strict=True):
        drawn = [place for place in range(count) if row[place, 0] >= 0]
        for place in range(count):
            if not drawn:
                assert full[place].tolist() == [0] * depth
                continue
            distances = [abs(place // width - at // width) + abs(place % width - at % width) for at in drawn]
            nearest = drawn[distances.index(min(distances))]
            assert full[place].tolist() == row[nearest].tolist()


def test_a_picture_drawn_downwards_goes_on_downwards() -> None:
    codes = torch.tensor([1, 2, 3, 4, 5, -1, -1, -1, -1])[None, :, None]
    assert filled(codes, Grid(3, 3)).flatten().tolist() == [1, 2, 3, 4, 5, 3, 4, 5, 3]


@pytest.mark.parametrize(("every", "done"), [(None, [4, 8, 12]), (5, [5, 10, 15]), (16, []), (7, [7, 14])])
def test_previews_come_every_so_many_codes(model: Model, every: int | None, done: list[int]) -> None:
    seen: list[Preview] = []
    pictures = model.generate("a red circle", n=2, seed=3, on_preview=seen.append, preview_every=every)
    assert [preview.done for preview in seen] == done
    codes = model.model.processor.drawing_prompt("a red circle")
    final = janiform.sampler_of(model.model.plan).draw(model.model, [codes, codes], seeds=[3, 4])
    for preview in seen:
        assert preview.of == 16
        assert preview.first == 0
        assert torch.equal(preview.codes[:, : preview.done], final[:, : preview.done])
        assert (preview.codes[:, preview.done :] == -1).all()
        assert [picture.size for picture in preview.pictures] == [(16, 16)] * 2
    # Watching changes nothing.
    alone = model.generate("a red circle", n=2, seed=3)
    assert [a.tobytes() for a in pictures] == [b.tobytes() for b in alone]
    assert pictures[0].tobytes() == to_pil(decode_codes(model.model, final)[0]).tobytes()


def test_previews_of_later_rounds_say_which_pictures(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST", 2)
    seen: list[Preview] = []
    model.generate("a red circle", n=3, on_preview=seen.append, preview_every=8)
    assert [(preview.first, len(preview.pictures)) for preview in seen] == [(0, 2), (2, 1)]
    with pytest.raises(UsageError, match="preview_every must be at least 1, not 0"):
        model.generate("a red circle", on_preview=seen.append, preview_every=0)
