"""Tiny models that draw pictures scale by scale, by the sampler `scales`."""

from __future__ import annotations

import json
from typing import Any

from janiform import Plan, UnifiedModel, build_model, read_recipe_text
from janiform.compose import compose
from tiny_recipes import TOKENIZER, tiny_recipe

TEXTS = ["a red circle", "a small blue square above the large circle, and another", "two"]

SCALES = (1, 2, 3, 8)


TOKENFLOW: dict[str, Any] = {
    "tokenizer": {
        "use": "tokenflow", "image_size": 16, "channels": 8, "groups": 4, "multipliers": [1, 1], "blocks": 1,
        "latent": 8, "vocabulary": 16, "semantic_width": 6, "pixel_width": 4, "scales": SCALES, "teacher_size": 16,
        "teacher_patch": 4, "teacher_width": 16, "teacher_layers": 1, "teacher_heads": 2, "semantic_layers": 1,
    },
    "text": 'text = { use = "bpe", vocabulary = 300, special_tokens = ["<unk>", "<s>", "</s>", "<img>", "</img>"] }\n'
    'layout = { use = "tokenflow" }',
    "backbone": {"vocabulary": 316, "layers": 2},
    "embedding": {"layers": 2, "start": 3},
    "head": {"use": "shared", "softmax": "codes"},
}  # fmt: skip
"""TokenFlow in miniature."""


def scales_recipe(
    *,
    embedding: Any = (),
    sampler: Any = (),
    tokenizer: Any = (),
    head: Any = (),
    more: str = "",
    **parts: Any,
) -> str:
    """The tiny recipe with 78 codes of 16 on four scales of a picture."""
    entries = {
        "embedding": {"use": "scales"} | dict(embedding),
        "head": {"use": "mlp"} | dict(head),
        "sampler": {"use": "scales"} | dict(sampler),
    }
    lines = [
        f"{name} = {{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in entry.items()) + " }"
        for name, entry in entries.items()
    ]
    parts = {"text": 'text = { use = "bpe", vocabulary = 300 }'} | parts
    if "use" not in dict(tokenizer):
        tokenizer = TOKENIZER | {"use": "scales-vq", "scales": SCALES} | dict(tokenizer)
    text = tiny_recipe("scales", tokenizer=tokenizer, **parts).replace('head = { use = "mlp" }\n', "")
    return text + "\n".join(lines) + "\n" + more


def scales_plan(**settings: Any) -> Plan:
    """The plan of ``scales_recipe``."""
    return compose(read_recipe_text(scales_recipe(**settings)))


def scales_model(seed: int = 0, **settings: Any) -> UnifiedModel:
    """A model of ``scales_recipe`` in float64, whose choices depend on the prompt, in eval mode."""
    import torch

    model = build_model(scales_plan(**settings), seed=seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(40 if "o_proj" in name or "quantize" in name else 4)
    model.processor.fit(TEXTS * 4)
    return model.double().eval()
