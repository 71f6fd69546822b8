"""Bridged vision models against transformers itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from bridged_families import VISION
from janiform import CompositionError, registry

from .conftest import randomise


def encoder(kind: str, settings: dict[str, Any], **ours: Any) -> Any:
    component = registry().find("encoder", "transformers")
    config = component.config(model_type=kind, settings=settings, **ours)
    part = component.load()(config).eval()
    randomise(part)
    return config, part


@pytest.mark.parametrize("kind", VISION)
def test_features_are_those_of_transformers(kind: str) -> None:
    settings, ours = VISION[kind]
    config, part = encoder(kind, settings, **ours)
    port = config.features()
    reference = transformers.AutoModel.from_config(
        transformers.AutoConfig.for_model(kind, **settings), attn_implementation="eager"
    ).eval()
    missing = reference.load_state_dict(part.vision.state_dict(), strict=False)
    assert not missing.unexpected_keys
    pixels = torch.rand(2, 3, config.side, config.side, generator=torch.Generator().manual_seed(3)) * 2 - 1
    more = {"interpolate_pos_encoding": True} if ours.get("image_size") else {}
    with torch.no_grad():
        given = part(pixels)
        states = reference(pixels, output_hidden_states=True, **more)
    layer = ours.get("layer", "last")
    expected = states.last_hidden_state if layer == "last" else states.hidden_states[layer]
    if expected.dim() == 4:
        expected = expected.flatten(2).transpose(1, 2)
    expected = expected[:, -port.tokens :]
    assert given.shape == (2, port.tokens, port.width)
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


def test_what_the_features_do_not_depend_on_is_no_weight_of_the_part() -> None:
    _, part = encoder("clip_vision_model", *VISION["clip_vision_model"][:1], layer=1)
    names = {name for name, _ in part.named_parameters()} | part.state_dict().keys()
    assert any(".layers.0." in name for name in names)
    assert not any(".layers.1." in name or ".layers.2." in name or "post_layernorm" in name for name in names)


@pytest.mark.parametrize(
    ("kind", "ours", "message"),
    [
        ("vit", {"width": 20}, "its features have a width of 16, but 20 is declared"),
        ("vit", {"layer": 9}, "it has no layer 9"),
        ("vit", {"stride": 4}, "it has 10 tokens, but 36 are declared"),
        ("vit", {"keep_first": 2}, "1 before them, not 2|it has 10 tokens"),
        ("siglip_vision_model", {"keep_first": 1}, "it has 9 tokens, but 10 are declared"),
    ],
)
def test_ports_that_the_model_does_not_keep_are_refused(kind: str, ours: dict[str, Any], message: str) -> None:
    with pytest.raises(CompositionError, match=message):
        encoder(kind, VISION[kind][0], **ours)


def test_a_language_model_is_no_encoder() -> None:
    with pytest.raises(
        CompositionError, match="'gpt2' cannot be bridged: it is not a model whose only input is pictures"
    ):
        encoder("gpt2", {"n_embd": 8, "n_layer": 1, "n_head": 2}, image_size=16, stride=8, width=8)
