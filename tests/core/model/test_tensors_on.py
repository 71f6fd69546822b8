"""New tensors are made on the device of their context, also after functions of torch were replaced for a while."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import load
from janiform.model.meta import list_anew, tensors_on
from torch.utils import _device


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Torch has listed a replacement of ``torch.linspace``, which is over."""
    _device._device_constructors.cache_clear()
    with monkeypatch.context() as replaced:
        original = torch.linspace
        replaced.setattr(torch, "linspace", lambda *args, **named: original(*args, **named))
        with torch.device("meta"):
            torch.empty(0)
    yield
    _device._device_constructors.cache_clear()


def test_a_replaced_function_would_ignore_the_device(stale: None) -> None:
    with torch.device("meta"):
        assert not torch.linspace(0, 1, 3).is_meta, "torch lists anew by itself: list_anew is not needed any more"
    with tensors_on("meta"):
        assert torch.linspace(0, 1, 3).is_meta
        assert torch.ones(2).is_meta
    assert not torch.linspace(0, 1, 3).is_meta


def test_a_current_list_is_kept() -> None:
    list_anew()
    listed = _device._device_constructors()
    list_anew()
    assert _device._device_constructors() is listed


def test_a_model_is_loaded_after_a_replacement(stale: None) -> None:
    picture = load("janus-mini").generate("a red circle", seed=1)[0]
    assert picture.size[0] > 0


def test_a_model_is_loaded_after_one_of_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    sizes: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = transformers.ViTConfig(**sizes, image_size=8, patch_size=4)
    transformers.ViTModel(config).save_pretrained(tmp_path)
    _device._device_constructors.cache_clear()
    transformers.ViTModel.from_pretrained(tmp_path)
    assert load("janus-mini").digest
