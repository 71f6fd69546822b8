"""Tiny models that draw pictures as wholes, by the sampler `masked`."""

from __future__ import annotations

import json
from typing import Any

from janiform import Plan, UnifiedModel, build_model, read_recipe_text
from janiform.compose import compose
from tiny_recipes import tiny_recipe

TEXTS = ["a red circle", "a small blue square above the large circle, and another", "two"]


def masked_recipe(*, embedding: Any = (), head: Any = (), sampler: Any = (), more: str = "", **parts: Any) -> str:
    """The tiny recipe with 64 codes of 16 for a picture, of which 8 steps draw the hidden ones."""
    table = {"use": "table", "mask": True} if "use" not in dict(embedding) else {}
    entries = {
        "embedding": table | dict(embedding),
        "head": {"use": "mlp"} | dict(head),
        "sampler": {"use": "masked", "steps": 8} | dict(sampler),
    }
    lines = [
        f"{name} = {{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in entry.items()) + " }"
        for name, entry in entries.items()
    ]
    parts = {"text": 'text = { use = "bpe", vocabulary = 300 }'} | parts
    text = tiny_recipe("masked", **parts).replace('head = { use = "mlp" }\n', "")
    return text + "\n".join(lines) + "\n" + more


def masked_plan(**settings: Any) -> Plan:
    """The plan of ``masked_recipe``."""
    return compose(read_recipe_text(masked_recipe(**settings)))


def masked_model(seed: int = 0, **settings: Any) -> UnifiedModel:
    """A model of ``masked_recipe`` whose choices depend on the prompt, in eval mode."""
    import torch

    model = build_model(masked_plan(**settings), seed=seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(40 if "o_proj" in name else 12 if "qkv" in name and "backbone" in name else 4)
    model.processor.fit(TEXTS * 4)
    return model.eval()
