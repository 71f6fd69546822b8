"""Residual codes of SigLIP's features: exact against transformers' SigLIP and a quantiser written out."""

from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import Codes, Grid, registry
from janiform_plugins.tokenizers.siglip_rvq.config import SiglipRvqConfig
from transformers import SiglipVisionConfig, SiglipVisionModel

TINY = {"image_size": 16, "channels": 8, "groups": 2, "multipliers": (1, 2, 2), "blocks": 1, "latent": 6,
        "vocabulary": 9, "code_width": 3, "depth": 3, "width": 16, "layers": 2, "heads": 2, "inner": 24}  # fmt: skip


@pytest.fixture
def siglip(tmp_path: Path, randomise: Any) -> Any:
    config = SiglipVisionConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=4
    )
    model = randomise(SiglipVisionModel(config), 3).double().eval()
    model.float().save_pretrained(tmp_path)
    return model.double()


def test_it_quantises_the_features_of_a_released_siglip(siglip: Any, started: Any, tmp_path: Path) -> None:
    ours = started("siglip-rvq", tmp_path, **TINY)
    pixels = torch.rand(3, 3, 16, 16, dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        features = siglip(pixel_values=pixels).last_hidden_state
        torch.testing.assert_close(ours.encoder(pixels).flatten(2).transpose(1, 2), features)
        left = features @ ours.quant_conv.weight.flatten(1).T + ours.quant_conv.bias
        codes, total = ours.encode(pixels), torch.zeros_like(left)
        for level, book in enumerate(ours.quantize.books):
            table = book.embedding.weight
            nearest = (left[:, :, None] - table).square().sum(-1).argmin(-1)
            assert torch.equal(codes[..., level], nearest)
            left, total = left - table[nearest], total + table[nearest]
        torch.testing.assert_close(ours.vectors(codes), total)
        assert ours.decode(codes).shape == (3, 3, 16, 16)


def test_a_siglip_of_another_size_is_refused(siglip: Any, started: Any, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="heads"):
        started("siglip-rvq", tmp_path, **TINY | {"heads": 4})


def test_the_preset_is_that_of_the_paper_and_what_cannot_be_is_refused() -> None:
    component = registry().find("tokenizer", "siglip-rvq")
    config = component.config(**component.presets["vila-u-256"])
    assert config.codes() == Codes(vocabulary=16_384, grid=Grid(16, 16), width=256, depth=4)
    assert config.patch_size == 16
    with pytest.raises(ValueError, match="a vision transformer sees the whole picture"):
        SiglipRvqConfig(**TINY | {"local": True})
    with pytest.raises(ValueError, match="width 16 is not a multiple of heads 3"):
        SiglipRvqConfig(**TINY | {"heads": 3})
