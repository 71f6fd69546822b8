"""Directions of pictures and texts by CLIP, and models of transformers from folders."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_transformers
import torch
from janiform import ClipEmbedder, UsageError, load_pretrained, pretrained_facts, pretrained_type
from janiform.evaluate.clip_score import clip_similarity
from PIL import Image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_transformers.clip(tmp_path_factory.mktemp("clip") / "tiny-clip")


@pytest.fixture(scope="module")
def clip(folder):
    return ClipEmbedder(folder)


def noise(seed, width=60, height=40):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_directions_have_length_one_and_do_not_depend_on_batches(clip):
    pictures = [noise(seed) for seed in range(35)]
    directions = clip.pictures(pictures)
    assert directions.shape == (35, 8)
    assert torch.allclose(directions.norm(dim=-1), torch.ones(35), atol=1e-5)
    assert torch.allclose(clip.pictures(pictures[33:34]), directions[33:34], atol=1e-5)
    texts = clip.texts(["a red dog", "a photo"])
    assert torch.allclose(clip.texts(["a photo"]), texts[1:], atol=1e-5)
    assert clip.pictures([]).shape == clip.texts([]).shape == (0, 8)


def test_directions_are_those_of_transformers(clip, folder):
    import transformers

    model = transformers.CLIPModel.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    pictures = transformers.CLIPImageProcessorPil.from_pretrained(folder)
    inputs = tokenizer(["a red dog"], padding="max_length", max_length=20, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs, **pictures(images=[noise(0)], return_tensors="pt"))
    assert torch.allclose(clip.texts(["a red dog"]), outputs.text_embeds, atol=1e-5)
    assert torch.allclose(clip.pictures([noise(0)]), outputs.image_embeds, atol=1e-5)


def test_long_texts_are_cut(clip):
    assert torch.isfinite(clip.texts(["dog " * 200])).all()
    assert clip.cut(["dog " * 200, "dog", "dog " * 300]) == 2


def test_it_gives_a_clip_score(clip, tmp_path):
    for number in range(3):
        noise(number).save(tmp_path / f"{number}.png")
    score = clip_similarity(tmp_path, tmp_path, clip)
    assert score.score.value == pytest.approx(100, abs=1e-3)
    assert score.settings["folder"] == "tiny-clip"
    assert len(score.settings["weights_sha256"]) == 64


def test_torch_makes_meta_tensors_after_transformers_was_first(folder):
    """Loading replaces ``torch.linspace`` for a moment, in which torch must not list its functions for devices."""
    torch.utils._device._device_constructors.cache_clear()
    load_pretrained("CLIPModel", folder, "cpu")
    with torch.device("meta"):
        assert torch.linspace(0, 1, 3).is_meta


def test_the_first_class_that_is_there_is_used(folder):
    made = load_pretrained(("NoSuchClass", "CLIPModel"), folder, "cpu")
    assert type(made).__name__ == "CLIPModel"
    assert not made.training


def test_a_folder_that_does_not_fit_is_named(folder, tmp_path):
    assert pretrained_type(folder, "CLIP model", ("clip",)) == "clip"
    with pytest.raises(UsageError, match=r"tiny-clip' holds a model of type 'clip', expected as the detector: owlvit"):
        pretrained_type(folder, "detector", ("owlvit",))
    with pytest.raises(UsageError, match=r"the folder .* does not exist"):
        pretrained_type(tmp_path / "none", "detector", ("owlvit",))
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(UsageError, match="cannot be read by transformers' CLIPModel"):
        ClipEmbedder(tmp_path)
    assert pretrained_facts(folder, "clip", "cpu")["device"] == "cpu"
