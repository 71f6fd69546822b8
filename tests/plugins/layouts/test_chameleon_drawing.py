"""A small Chameleon draws what the model of transformers does by the guidance of the release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from janiform import Conversation, Guidance, Look, Turn, UnifiedModel, generate_codes, read_recipe_text
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.train.run.start import begin

FIRST, CODES = 4, 16
SPECIAL = {"<s>": 0, "<pad>": 1, "</s>": 2, "<eoss>": 20, "<racm3:break>": 21, "<reserved08706>": 22, "<image>": 23}
TOKENS = {f"IMGIMG{chr(65 + code // 10)}{chr(65 + code % 10)}Z": FIRST + code for code in range(CODES)}
SIZES = {"width": 32, "inner": 48, "layers": 2, "heads": 4, "kv_heads": 2, "vocabulary": 127, "context": 256}
RECIPE = """
recipe = 1
name = "small-chameleon"
understanding = { share = "generation" }
layout = { use = "chameleon" }

[backbone]
use = "chameleon"
BACKBONE

[text]
use = "bpe"
file = 'FILE'
special_tokens = []

[generation]
adapter = { use = "identity" }
embedding = { use = "shared", first = 4, in_text = true }
head = { use = "shared", first = 4, in_text = true, softmax = "codes" }

[generation.tokenizer]
use = "vq"
image_size = 8
channels = 8
groups = 4
multipliers = [1, 1]
blocks = 1
latent = 8
vocabulary = 16
code_width = 4
attention = false
"""


@pytest.fixture(params=[False, True], ids=["7b", "34b"])
def reference(request: Any) -> Any:
    torch.manual_seed(0)
    config = transformers.ChameleonConfig(
        vocab_size=SIZES["vocabulary"],
        hidden_size=SIZES["width"],
        intermediate_size=SIZES["inner"],
        num_hidden_layers=SIZES["layers"],
        num_attention_heads=SIZES["heads"],
        num_key_value_heads=SIZES["kv_heads"],
        max_position_embeddings=SIZES["context"],
        swin_norm=request.param,
        vocabulary_map={**TOKENS, "<image>": 23},
        vq_config={"base_channels": 32, "channel_multiplier": [1], "num_res_blocks": 1, "resolution": 8},
    )
    model = transformers.ChameleonForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


@pytest.fixture
def model(reference: Any, characters: Any, tmp_path: Path) -> UnifiedModel:
    reference.save_pretrained(tmp_path)
    characters(SPECIAL | TOKENS, 0, "").save(tmp_path)
    settings = {**SIZES, "swin_norm": str(reference.config.swin_norm).lower(), "eps": 1e-5}
    lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
    recipe = RECIPE.replace("BACKBONE", lines).replace("FILE", str(tmp_path / "tokenizer.json"))
    made = build_model(compose(read_recipe_text(recipe)))
    begin(made, {"backbone": str(tmp_path)}, lambda _: None)
    return made.eval()


def by_the_release(reference: Any, rows: list[list[int]], text: float, pictures: float) -> list[int]:
    """The most likely codes by u + pictures·(i − u) + text·(f − i) of the rows f, i and u, all read anew each time."""
    rows = [list(row) for row in rows]
    codes: list[int] = []
    for _ in range(16):
        states = [reference.model(torch.tensor([row])).last_hidden_state[:, -1] for row in rows]
        full, seen, nothing = (reference.lm_head(state)[0, FIRST : FIRST + CODES] for state in states)
        mixed = nothing + pictures * (seen - nothing) + text * (full - seen)
        codes.append(int(mixed.argmax()))
        for row in rows:
            row.append(FIRST + codes[-1])
    return codes


@torch.no_grad()
def test_the_most_likely_codes_are_those_of_transformers(model: UnifiedModel, reference: Any) -> None:
    texts = ("a cat", "two small dogs on a very long street")
    prompts = [model.processor.drawing_prompt(text) for text in texts]
    drawn = generate_codes(model, prompts, guidance=3.0, temperature=0.0)
    for text, codes in zip(texts, drawn[..., 0].tolist(), strict=True):
        full = [0, *(ord(letter) for letter in text), 22, 21]
        # Without a picture in the prompt, nothing is left of it in the row that sees pictures alone.
        assert codes == by_the_release(reference, [full, [0, 21], [0, 21]], 3.0, 1.2)
        assert len(set(codes)) > 2


@torch.no_grad()
def test_a_picture_drawn_from_others_has_three_rows(model: UnifiedModel, reference: Any) -> None:
    generator = torch.Generator().manual_seed(1)
    first, second, third = (torch.randint(CODES, (16, 1), generator=generator) for _ in range(3))
    asked = [("Make ", first, " red"), (second, "small, and a dog", third)]
    turns = [Turn("user", [piece if isinstance(piece, str) else Look(piece) for piece in pieces]) for pieces in asked]
    prompts = [model.processor.drawing_prompt(Conversation((turn,))) for turn in turns]
    drawn = generate_codes(model, prompts, guidance=Guidance.nested(3.0, 1.2), temperature=0.0)
    for pieces, codes in zip(asked, drawn[..., 0].tolist(), strict=True):
        full, seen = [0], [0]
        for piece in pieces:
            if isinstance(piece, str):
                full += [ord(letter) for letter in piece.strip()]
            else:
                looked = [21, *(FIRST + int(code) for code in piece[:, 0]), 20]
                full += looked
                seen += looked
        assert codes == by_the_release(reference, [[*full, 22, 21], [*seen, 21], [0, 21]], 3.0, 1.2)
        assert len(set(codes)) > 2
