"""The verifier reads true pictures without fault, disturbed ones nearly so, and is not fooled by what is no shape."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from janiform_plugins.world import SPLITS, Detection, Object, Scene, detect_objects, render, sample_scene
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Picture = NDArray[np.uint8]
Disturb = Callable[[Picture, np.random.Generator], Picture]


def reads_right(objects: Sequence[Object], seen: Sequence[Detection]) -> bool:
    """Whether exactly these objects are seen, each within two pixels of its place."""
    left = list(seen)
    for item in objects:
        for other in left:
            same = (other.shape, other.colour, other.size) == (item.shape, item.colour, item.size)
            if same and max(abs(other.x - item.x), abs(other.y - item.y)) <= 2:
                left.remove(other)
                break
        else:
            return False
    return not left


def test_every_kind_of_true_picture_is_read_right() -> None:
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for index in range(1500):
        scene = sample_scene(21, index, SPLITS[index % 2])
        good = reads_right(scene.objects, detect_objects(render(scene)))
        kinds = {f"{len(scene.objects)} objects", scene.background}
        for item in scene.objects:
            kinds |= {item.shape, item.colour, item.size, f"{item.colour} {item.shape}"}
        total.update(kinds)
        right.update(kinds if good else ())

    assert min(total.values()) >= 30
    assert {kind: right[kind] / count for kind, count in total.items() if right[kind] < 0.99 * count} == {}


def blurred(picture: Picture, sigma: float) -> Picture:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(sigma)))


def noisy(picture: Picture, rng: np.random.Generator, deviation: float) -> Picture:
    return np.clip(picture + rng.normal(0, deviation, picture.shape), 0, 255).round().astype(np.uint8)


def half_resolution(picture: Picture) -> Picture:
    small = Image.fromarray(picture).resize((32, 32), Image.Resampling.BOX)
    return np.asarray(small.resize((64, 64), Image.Resampling.BICUBIC))


def torn(picture: Picture, rng: np.random.Generator) -> Picture:
    """Shift every block of 8 x 8 pixels by up to one pixel, like a decoder that is not sure of the place."""
    rows, columns = np.mgrid[:64, :64]
    shifts = rng.integers(-1, 2, (2, 8, 8)).repeat(8, 1).repeat(8, 2)
    moved: Picture = picture[np.clip(rows + shifts[0], 0, 63), np.clip(columns + shifts[1], 0, 63)]
    return moved


@pytest.mark.parametrize(
    ("disturb", "least"),
    [
        (lambda picture, rng: noisy(blurred(picture, 0.8), rng, 6), 0.99),
        (lambda picture, rng: noisy(blurred(picture, 1.2), rng, 10), 0.98),
        (lambda picture, rng: half_resolution(picture), 0.99),
        (lambda picture, rng: noisy(blurred(torn(picture, rng), 0.6), rng, 6), 0.97),
    ],
    ids=["blur", "strong blur", "half resolution", "torn blocks"],
)
def test_disturbed_pictures_are_read_right(disturb: Disturb, least: float) -> None:
    rng = np.random.default_rng(0)
    scenes = [sample_scene(22, index, SPLITS[index % 2]) for index in range(300)]

    right = [reads_right(scene.objects, detect_objects(disturb(render(scene), rng))) for scene in scenes]

    assert np.mean(right) >= least


def test_true_objects_are_seen_with_confidence() -> None:
    for index in range(100):
        assert all(item.confidence > 0.95 for item in detect_objects(render(sample_scene(23, index))))


def test_nothing_is_seen_on_an_empty_picture_or_in_specks() -> None:
    picture = render(Scene((), "silver"))
    picture[10:13, 10:13] = (216, 38, 52)

    assert detect_objects(picture) == []


def test_an_object_of_two_colours_is_doubtful() -> None:
    red = render(Scene((Object("square", "red", "large", 31, 31),), "white"))
    blue = render(Scene((Object("square", "blue", "large", 31, 31),), "white"))
    red[:, 32:] = blue[:, 32:]

    (seen,) = detect_objects(red)

    assert seen.confidence < 0.7


def test_overlapping_objects_are_not_seen_as_good_shapes() -> None:
    pair = (Object("circle", "red", "large", 25, 31), Object("circle", "red", "large", 39, 33))

    seen = detect_objects(render(Scene(pair, "white")))

    assert len(seen) != 2 or min(item.confidence for item in seen) < 0.8


def test_pure_noise_shows_no_good_shape() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)

    assert all(item.confidence < 0.6 for item in detect_objects(noise))


@pytest.mark.parametrize("picture", [np.zeros((32, 32, 3), np.uint8), np.zeros((64, 64, 3), np.float32)])
def test_other_sizes_and_types_are_refused(picture: Picture) -> None:
    with pytest.raises(ValueError, match="must be uint8"):
        detect_objects(picture)
