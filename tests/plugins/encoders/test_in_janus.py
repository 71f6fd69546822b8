"""Every encoder looks for a Janus: it composes, at released sizes too, and is trained through the language model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from janiform import Conversation, read_recipe
from janiform.compose import compose
from janiform.model.modules import build_modules
from janiform_plugins.objectives.next_token import next_token_losses

TINY = {
    "clip": {"image_size": 16, "patch_size": 8, "width": 16, "layers": 3, "heads": 2},
    "dinov2": {
        "image_size": 24, "table_size": 16, "patch_size": 8, "width": 16, "layers": 2, "heads": 2, "registers": 3,
        "ffn": "swiglu", "layer_scale": 1.0,
    },
    "patches": {"image_size": 24, "patch_size": 8, "width": 16, "positions": True},
    "siglip": {"image_size": 20, "patch_size": 8, "width": 16, "layers": 1, "heads": 2, "cut_edges": True,
               "activation": "gelu-tanh"},
}  # fmt: skip
RELEASED = [
    ("clip", "large-patch14-336", 576, 1024),
    ("clip", "base-patch32", 49, 768),
    ("dinov2", "small", 1369, 384),
    ("dinov2", "giant", 1369, 1536),
    ("siglip", "siglip2-base-patch16-256", 256, 768),
    ("siglip", "siglip2-so400m-patch14-384", 729, 1152),
]


@pytest.mark.parametrize("name", TINY)
def test_a_loss_reaches_every_tensor_of_the_encoder(name, looking, fitted) -> None:
    model = fitted(looking(name, **TINY[name]))
    encoder = model.part("understanding.encoder")
    picture = np.random.default_rng(0).integers(0, 256, (20, 14, 3), dtype=np.uint8)
    asked = model.processor.sequence(Conversation.asking("how many circles?", picture, answer="two red circles"))
    batch = model.processor.collate([asked])
    optimizer = torch.optim.SGD(encoder.parameters(), lr=1e-3)
    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        loss = next_token_losses(model, batch)["understanding"].mean
        loss.backward()
        losses.append(loss.item())
        still = [name for name, value in encoder.named_parameters() if value.grad is None or not value.grad.any()]
        assert not still
        optimizer.step()
    assert losses[1] < losses[0]


@pytest.mark.parametrize(("name", "preset", "tokens", "width"), RELEASED)
def test_janus_pro_looks_through_it(name, preset, tokens, width) -> None:
    overrides = [f'understanding.encoder.use="{name}"', f'understanding.encoder.preset="{preset}"']
    plan = compose(read_recipe("janus-pro-1b", overrides))
    modules = build_modules(plan, device="meta", parts=("understanding",))
    side = plan.parts["understanding.encoder"].use.config.image_size
    features = modules["understanding.encoder"](torch.empty(1, 3, side, side, device="meta"))
    assert features.shape == (1, tokens, width)
    assert modules["understanding.adapter"](features).shape == (1, tokens, plan.hidden.width)


def test_janus_pro_looks_at_patches_without_an_encoder() -> None:
    overrides = ['understanding.encoder.use="patches"', "understanding.encoder.image_size=510"]
    plan = compose(read_recipe("janus-pro-1b", overrides))
    features = plan.parts["understanding.encoder"].output
    assert (features.tokens, features.width, str(features.grid)) == (289, 1024, "17×17")
