"""The CLIP score of pictures and their prompts, and of pictures and pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attrs import frozen
from inception_for_tests import write
from janiform import UsageError
from janiform.evaluate.clip_score import clip_score, clip_similarity
from PIL import Image


@frozen
class MeanColour:
    """Directions by mean colours, and of texts by the colours that they name."""

    settings = {"model": "fake"}  # noqa: RUF012 - it is never changed

    def pictures(self, pictures):
        return self._directions([np.asarray(some).mean((0, 1)) for some in pictures])

    def texts(self, texts):
        return self._directions([[some.count(name) for name in ("red", "green", "blue")] for some in texts])

    def cut(self, texts):
        return sum(len(text.split()) > 3 for text in texts)

    @staticmethod
    def _directions(values):
        return torch.nn.functional.normalize(torch.tensor(np.array(values), dtype=torch.float32), dim=-1)


def test_pictures_are_compared_with_their_texts(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "texts").mkdir()
    colours = {"one": ("red", "red"), "two": ("blue", "red"), "three": ("red", "red blue")}
    for name, (colour, text) in colours.items():
        Image.new("RGB", (5, 4), colour).save(tmp_path / "a" / f"{name}.png")
        (tmp_path / "texts" / f"{name}.txt").write_text(f"{text}\n")
    result = clip_score(tmp_path / "a", tmp_path / "texts", MeanColour())
    assert result.score.value == pytest.approx(100 * (1 + 0 + 0.5**0.5) / 3, rel=1e-6)
    assert result.score.count == 3
    assert result.score.low < result.score.value < result.score.high
    assert result.settings == {"prompts": 2, "model": "fake"}
    assert result.drawn["pictures"] == 3
    assert [(item.item, item.cluster, round(item.value)) for item in result.items] == [
        ("one", "red", 100),
        ("three", "red blue", 71),
        ("two", "red", 0),
    ]


def test_the_parts_of_a_grid_have_its_prompt_and_one_cluster(tmp_path):
    grid = Image.new("RGB", (8, 8), "red")
    grid.paste("blue", (4, 4, 8, 8))
    grid.save(tmp_path / "0.png")
    (tmp_path / "prompts.json").write_text('{"0.png": "a red thing, long and red"}')
    result = clip_score(tmp_path, tmp_path / "prompts.json", MeanColour(), grid=2)
    assert result.score.value == pytest.approx(75)
    assert [item.item for item in result.items] == ["0/0", "0/1", "0/2", "0/3"]
    assert len({item.cluster for item in result.items}) == 1
    assert result.settings["prompts_cut"] == 1
    assert result.drawn["grid"] == 2


def test_pictures_are_compared_with_pictures_of_the_same_name(tmp_path):
    first, second = write(tmp_path / "a", 3, 0), write(tmp_path / "b", 3, 1)
    result = clip_similarity(first, second, MeanColour())
    assert 90 < result.score.value <= 100
    assert result.settings["reference"]["folder"] == "b"
    assert clip_similarity(first, first, MeanColour()).score.value == pytest.approx(100)
    (second / "2.png").rename(second / "4.png")
    with pytest.raises(UsageError, match=r"(?s)b' lacks 1 of the other folder's names: 2.*a' lacks 1 .*: 4"):
        clip_similarity(first, second, MeanColour())
    Image.new("RGB", (4, 4)).save(first / "1.jpg")
    with pytest.raises(UsageError, match=r"holds 1.jpg and 1.png; a name must not repeat"):
        clip_similarity(first, second, MeanColour())
