"""The stream is deterministic, valid, varied, and keeps its two splits apart."""

import subprocess
import sys
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform_plugins.world import (
    BACKGROUNDS,
    COLOURS,
    PICTURE_SIZE,
    RELATIONS,
    SHAPES,
    SIZES,
    SPLITS,
    Scene,
    Split,
    held_out_in,
    is_held_out,
    relation_of,
    sample_scene,
)
from janiform_plugins.world.compositions import compositions_of
from janiform_plugins.world.scene import GAP, MARGIN

words = st.integers(0, 2**64 - 1)


@given(words, words, st.sampled_from(SPLITS))
@settings(deadline=None)
def test_every_scene_is_reproducible_and_has_room(seed: int, index: int, split: Split) -> None:
    scene = sample_scene(seed, index, split)

    assert scene == sample_scene(seed, index, split)
    assert 1 <= len(scene.objects) <= 4
    for item in scene.objects:
        low, high = item.radius + MARGIN, PICTURE_SIZE - item.radius - MARGIN
        assert low <= item.x <= high
        assert low <= item.y <= high
    for a, b in combinations(scene.objects, 2):
        assert max(abs(a.x - b.x), abs(a.y - b.y)) >= a.radius + b.radius + GAP


def test_training_never_shows_what_is_held_out_and_the_other_split_always_does() -> None:
    assert not any(is_held_out(sample_scene(11, index, "train")) for index in range(3000))
    assert all(held_out_in(sample_scene(11, index, "held-out")) for index in range(1000))


def test_seeds_indices_and_splits_give_different_scenes() -> None:
    scenes = [sample_scene(seed, index, split) for seed in range(4) for index in range(50) for split in SPLITS]

    assert len(set(scenes)) > 0.97 * len(scenes)


def test_another_process_makes_the_same_scenes() -> None:
    code = "from janiform_plugins.world import sample_scene; print([sample_scene(3, i, 'train') for i in range(20)])"
    paths = f"import sys; sys.path[:0] = {sys.path!r}; "
    printed = subprocess.run([sys.executable, "-c", paths + code], capture_output=True, text=True, check=True).stdout

    assert printed.strip() == str([sample_scene(3, index, "train") for index in range(20)])


def test_training_shows_every_attribute_and_relation_often() -> None:
    scenes = [sample_scene(5, index, "train") for index in range(2000)]
    items = [item for scene in scenes for item in scene.objects]

    def spread(counts: Counter[str | None], names: tuple[str, ...]) -> float:
        return min(counts[name] for name in names) / max(counts[name] for name in names)

    assert spread(Counter(item.shape for item in items), SHAPES) > 0.7
    assert spread(Counter(item.colour for item in items), COLOURS) > 0.7
    assert spread(Counter(item.size for item in items), SIZES) > 0.8
    assert spread(Counter(scene.background for scene in scenes), BACKGROUNDS) > 0.7
    relations = Counter(relation_of(*scene.objects) for scene in scenes if len(scene.objects) == 2)
    assert spread(relations, RELATIONS) > 0.7
    assert relations[None] < 0.15 * relations.total()
    counts = Counter(len(scene.objects) for scene in scenes)
    assert min(counts[number] for number in (1, 2, 3, 4)) > 200


def test_training_shows_nearly_every_composition_that_is_not_held_out() -> None:
    shown: Counter[object] = Counter()
    for index in range(4000):
        shown.update(compositions_of(sample_scene(8, index, "train")))

    assert len(shown) > 0.97 * (96 + 72 + 48 + 276 - 50)


def test_splits_and_numbers_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="train, held-out"):
        sample_scene(0, 0, "test")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="seed is -1"):
        sample_scene(-1, 0)
    assert isinstance(sample_scene(0, 0), Scene)
