"""Models that judge drawings, with random weights in the layouts of released ones."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import tiny_transformers
import torch
from janiform import ComponentError, UsageError
from janiform_plugins.benchmarks.vision.coco import CLASSES
from janiform_plugins.benchmarks.vision.colours import TEMPLATES, ClipColours
from janiform_plugins.benchmarks.vision.mask2former import (
    Mask2FormerDetector,
    instances,
    network_input,
    tight_box,
)
from janiform_plugins.benchmarks.vision.vqa import BlipAnswers, JaniformAnswers, ViltAnswers
from janiform_plugins.benchmarks.vision.zero_shot import ZeroShotDetector
from PIL import Image

NAMES = ("red", "blue", "green")


def noise(width=60, height=40, seed=0):
    chance = np.random.default_rng(seed)
    return Image.fromarray(chance.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def clip(folder):
    return tiny_transformers.clip(folder / "clip")


@pytest.fixture(scope="module")
def mask2former(folder):
    return tiny_transformers.mask2former(folder / "mask2former")


def test_the_classes_are_those_of_coco_with_three_other_names():
    assert len(CLASSES) == len(set(CLASSES)) == 80
    assert (CLASSES[0], CLASSES[63:67], CLASSES[-1]) == (
        "person",
        ("laptop", "computer mouse", "tv remote", "computer keyboard"),
        "toothbrush",
    )


def test_masks_become_scores_and_boxes_as_in_mmdet():
    logits = torch.full((2, 81), -20.0)
    logits[0, CLASSES.index("dog")], logits[0, 80] = 2.0, 0.0  # probability σ(2)
    logits[1, CLASSES.index("bench")] = 5.0
    masks = torch.full((2, 6, 8), -4.0)
    masks[0, 1:3, 2:6] = 1.0
    masks[0, 1, 2] = 3.0
    found = instances(logits, masks, ("dog", "bench", "clock"))
    dog = found["dog"][0]
    mean = (7 * torch.tensor(1.0).sigmoid() + torch.tensor(3.0).sigmoid()) / 8
    assert dog.score == pytest.approx(float(torch.tensor(2.0).sigmoid() * mean), abs=1e-6)
    assert dog.box == (2, 1, 6, 3)
    assert dog.mask.sum() == 8
    assert found["bench"][0].box == (0, 0, 0, 0)  # an empty mask
    assert found["bench"][0].score == 0
    assert all(some.score < 1e-3 for some in found["clock"])


def test_at_most_a_hundred_pairs_of_a_query_and_a_class_are_kept():
    found = instances(torch.zeros(3, 81), torch.ones(3, 2, 2), CLASSES)
    assert sum(map(len, found.values())) == 100


def test_the_box_of_a_mask_is_tight():
    mask = torch.zeros(5, 5, dtype=torch.bool)
    mask[2, 1] = mask[4, 3] = True
    assert tight_box(mask) == (1, 2, 4, 5)


@pytest.mark.parametrize(
    ("size", "inner", "padded"),
    [
        ((384, 384), (800, 800), (800, 800)),
        ((1024, 1024), (800, 800), (800, 800)),
        ((1000, 500), (667, 1333), (672, 1344)),
        ((640, 480), (800, 1067), (800, 1088)),
    ],
)
def test_pictures_are_resized_and_padded_as_in_mmdet(size, inner, padded):
    pixels, given = network_input(Image.new("RGB", size, (255, 0, 128)), (800, 1333))
    assert given == inner
    assert tuple(pixels.shape) == (1, 3, *padded)
    assert torch.allclose(pixels[0, :, 0, 0], torch.tensor([(255 - 123.675) / 58.395, -116.28 / 57.12, 24.47 / 57.375]))
    if padded != inner:
        grey = torch.tensor([(128 - 123.675) / 58.395, (128 - 116.28) / 57.12, (128 - 103.53) / 57.375])
        assert torch.allclose(pixels[0, :, -1, -1], grey)


def test_a_picture_that_is_not_resized_keeps_its_pixels():
    picture = noise(64, 64)
    pixels, _ = network_input(picture, (64, 96))
    restored = pixels[0] * torch.tensor([58.395, 57.12, 57.375])[:, None, None]
    restored += torch.tensor([123.675, 116.28, 103.53])[:, None, None]
    assert torch.equal(restored.round().byte(), torch.from_numpy(np.array(picture)).permute(2, 0, 1))


def test_mask2former_detects_with_the_outputs_of_its_model(mask2former):
    detector = Mask2FormerDetector(mask2former, "cpu", limits=(64, 96))
    picture = noise()
    found = detector.detect(picture, CLASSES)
    pixels, (height, width) = network_input(picture, (64, 96))
    with torch.no_grad():
        outputs = detector.model(pixel_values=pixels)
    probabilities = outputs.class_queries_logits[0].softmax(-1)[:, :-1]
    best = int(probabilities.argmax())
    query, name = best // 80, CLASSES[best % 80]
    masks = torch.nn.functional.interpolate(outputs.masks_queries_logits, pixels.shape[-2:], mode="bilinear")
    masks = torch.nn.functional.interpolate(masks[..., :height, :width], (40, 60), mode="bilinear")[0, query]
    inside = masks > 0
    expected = float(probabilities.max() * masks.sigmoid()[inside].mean()) if inside.any() else 0.0
    assert any(
        some.score == pytest.approx(expected, abs=1e-5) and np.array_equal(some.mask, inside.numpy())
        for some in found[name]
    )
    assert all(some.mask.shape == (40, 60) for many in found.values() for some in many)
    assert detector.unknown(("dog", "unicorn")) == ["unicorn"]
    assert len(detector.settings["weights_sha256"]) == 64


def test_a_detector_of_other_classes_is_refused(folder):
    tiny_transformers.mask2former(folder / "panoptic", ("person", "sky"))
    with pytest.raises(UsageError, match="has 2 classes from 'person' to 'sky', expected COCO's 80"):
        Mask2FormerDetector(folder / "panoptic")


@pytest.mark.parametrize("family", [tiny_transformers.owlvit, tiny_transformers.grounding_dino])
def test_zero_shot_detectors_give_boxes_in_pixels(folder, family):
    detector = ZeroShotDetector(family(folder / family.__name__), "cpu", least_score=0.0)
    found = detector.detect(noise(), ("dog", "wine glass"))
    assert set(found) == {"dog", "wine glass"}
    assert all(found.values())
    again = ZeroShotDetector(folder / family.__name__, "cpu", least_score=0.0).detect(noise(), ("dog",))
    # A class is asked for alone, so that the others of a prompt do not change its scores.
    assert [some.score for some in again["dog"]] == [some.score for some in found["dog"]]
    boxes = np.array([some.box for many in found.values() for some in many])
    assert np.isfinite(boxes).all()
    assert np.ptp(boxes) > 1  # pixels, not fractions
    assert detector.unknown(("unicorn",)) == ()


def test_colours_are_the_nearest_mean_of_their_captions(clip):
    classifier = ClipColours(clip, "cpu")
    pictures = [noise(seed=seed) for seed in range(5)]
    given = classifier.colours(pictures, "dog", NAMES)
    directions = classifier.clip.pictures(pictures)
    captions = {
        name: classifier.clip.texts([template.format(colour=name, noun="dog") for template in TEMPLATES]).mean(0)
        for name in NAMES
    }
    for colour, direction in zip(given, directions, strict=True):
        cosines = {name: float(direction @ mean / mean.norm()) for name, mean in captions.items()}
        assert colour == max(cosines, key=cosines.__getitem__)
    assert classifier.colours([], "dog", NAMES) == ()


def test_blip_answers_in_words_and_cuts_long_questions(folder):
    model = BlipAnswers(tiny_transformers.blip(folder / "blip"), "cpu")
    question = "is there a dog? " * 20
    answers = model.answer(noise(), ["Is there a DOG?", "is there a dog?", question, question + "red"])
    assert all(isinstance(answer, str) for answer in answers)
    assert answers[0] == answers[1]
    assert answers[2] == answers[3]
    # A question is answered alone as together with others, although it is padded.
    assert model.answer(noise(), ["is there a dog?"]) == [answers[1]]


def test_vilt_chooses_one_of_its_answers(folder):
    model = ViltAnswers(tiny_transformers.vilt(folder / "vilt"), "cpu")
    assert set(model.answer(noise(), ["is it red?"] * 40)) <= {"yes", "no", "red"}
    tiny_transformers.vilt(folder / "silent", ("red", "blue"))
    with pytest.raises(UsageError, match="never answers 'yes': its config lists 2 answers"):
        ViltAnswers(folder / "silent")


def test_a_model_of_janiform_answers_in_small_letters(tiny_model, monkeypatch):
    model = JaniformAnswers("janus-mini", "cpu")
    asked = []

    def ask_all(pairs, **settings):
        asked.extend(question for _, question in pairs)
        return [" Yes.", "no"]

    monkeypatch.setattr(model.model, "ask_all", ask_all)
    assert model.answer(noise(), ["Is it red?", "Is it blue?"]) == ["yes", "no"]
    assert asked == ["Is it red?\nAnswer yes or no.", "Is it blue?\nAnswer yes or no."]
    assert model.settings["folder"] == "janus-mini"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Mask2FormerDetector, r"holds a model of type 'clip', expected as the detector 'mask2former': mask2former"),
        (ZeroShotDetector, r"expected as the detector 'zero-shot': owlvit, owlv2, grounding-dino"),
        (BlipAnswers, r"expected as the VQA model 'blip': blip"),
        (ViltAnswers, r"expected as the VQA model 'vilt': vilt"),
    ],
)
def test_a_folder_with_another_model_is_named(clip, kind, message):
    with pytest.raises(UsageError, match=message):
        kind(clip)


def test_folders_without_a_model_are_named(tmp_path, mask2former):
    with pytest.raises(UsageError, match=r"the folder .* does not exist"):
        Mask2FormerDetector(tmp_path / "none")
    with pytest.raises(UsageError, match=r"has no config.json, expected the folder of a model of transformers"):
        Mask2FormerDetector(tmp_path)
    (tmp_path / "config.json").write_text((mask2former / "config.json").read_text())
    with pytest.raises(UsageError, match="cannot be read by transformers' Mask2Former"):
        Mask2FormerDetector(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "siglip"}))
    with pytest.raises(UsageError, match="holds a model of type 'siglip', expected as the CLIP model: clip"):
        ClipColours(tmp_path)


def test_a_missing_library_is_named(mask2former, clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    for make in (lambda: Mask2FormerDetector(mask2former), lambda: ClipColours(clip)):
        with pytest.raises(ComponentError, match=r"pip install 'janiform\[transformers\]'"):
            make()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_a_missing_device_is_named(mask2former):
    with pytest.raises(UsageError, match="judge_device is cuda, but this machine has no CUDA device"):
        Mask2FormerDetector(mask2former, "cuda")
