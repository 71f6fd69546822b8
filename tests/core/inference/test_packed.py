"""Linear layers with packed weights compute what nn.Linear does, and can be read, saved and moved like it."""

from __future__ import annotations

import copy
import random

import pytest
import torch
from janiform.inference import packed
from janiform.inference.packed import PackedLinear, pack_weights, packable
from janiform.model.unified_model import UnifiedModel
from torch import nn
from torch.nn.functional import linear

needs_bfloat16 = pytest.mark.skipif(
    not packable(torch.bfloat16, torch.device("cpu")), reason="this processor has no instructions for bfloat16"
)


@needs_bfloat16
@pytest.mark.parametrize("seed", range(6))
def test_products_are_those_of_the_plain_layer(seed: int) -> None:
    chance = random.Random(seed)
    torch.manual_seed(seed)
    layer = nn.Linear(chance.randint(1, 300), chance.randint(1, 300), bias=chance.random() < 0.5).bfloat16()
    plain = layer.weight.detach().clone()
    x = torch.randn(*[chance.randint(1, 9) for _ in range(chance.randint(1, 3))], layer.in_features).bfloat16()
    exact = linear(x.double(), plain.double(), None if layer.bias is None else layer.bias.double())
    layer = PackedLinear(layer)
    with torch.no_grad():
        ours = layer(x)
    assert layer.packed.is_mkldnn
    assert torch.allclose(ours.double(), exact, rtol=2**-7, atol=2**-7)
    assert torch.equal(layer.weight, plain)
    assert torch.equal(layer.state_dict()["weight"], plain)
    with torch.enable_grad():
        y = x.float().requires_grad_().bfloat16()
        assert layer(y).requires_grad
    assert torch.allclose(copy.deepcopy(layer).float()(x.float()).double(), exact, rtol=1e-4, atol=1e-4)


@needs_bfloat16
def test_a_model_says_the_same_with_packed_weights(tiny_model: UnifiedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    model = copy.deepcopy(tiny_model).bfloat16()
    ids = torch.randint(5, 250, (3, 12), generator=torch.Generator().manual_seed(0))

    def logits() -> torch.Tensor:
        from janiform import Mask

        with torch.no_grad():
            embeddings = model.backbone.embed(ids)
            positions = torch.arange(12).expand(3, 12)
            return model.backbone.logits(model.run(embeddings, positions, Mask.causal())).float()

    plain = logits()
    monkeypatch.setattr(packed, "_SMALLEST", 1)
    pack_weights(model)
    assert any(isinstance(module, PackedLinear) for module in model.backbone.modules())
    assert any(isinstance(module, PackedLinear) for module in model.part("generation.head").modules())
    assert torch.allclose(logits(), plain, atol=0.05 * float(plain.abs().max()))


def test_other_data_types_stay_as_they_are(tiny_model: UnifiedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_SMALLEST", 1)
    pack_weights(tiny_model)
    assert not any(isinstance(module, PackedLinear) for module in tiny_model.modules())
