"""A small Emu3 draws what transformers' does, with the negative prompt as the second row of its guidance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from janiform import UnifiedModel, generate_codes, read_recipe_text
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.train.run.start import begin

TOKENS = ("endoftext", "extra_201", "extra_203", "extra_204", "image token", "image start", "image end")
SPECIAL = {"<image>": 200} | {f"<|{name}|>": 201 + number for number, name in enumerate(TOKENS)}
FIRST, CODES = 220, 16
RECIPE = f"""
recipe = 1
name = "small-emu3"
understanding = {{ share = "generation" }}
layout = {{ use = "emu3", positive = " best quality.", negative = "lowres, blurry." }}

[backbone]
use = "llama"
width = 32
inner = 48
layers = 2
heads = 4
kv_heads = 2
vocabulary = {FIRST + CODES}
context = 256
rope_theta = 1e6
eps = 1e-5

[text]
use = "bpe"
file = 'FILE'
special_tokens = []

[generation]
adapter = {{ use = "identity" }}
embedding = {{ use = "shared", first = {FIRST} }}
head = {{ use = "shared", first = {FIRST}, softmax = "codes" }}

[generation.tokenizer]
use = "vq"
image_size = 16
channels = 8
groups = 4
multipliers = [1, 1]
blocks = 1
latent = 8
vocabulary = {CODES}
code_width = 4
attention = false
"""


@pytest.fixture
def reference() -> Any:
    torch.manual_seed(0)
    config = transformers.Emu3TextConfig(
        vocab_size=FIRST + CODES,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        pad_token_id=201,
        bos_token_id=203,
        eos_token_id=204,
    )
    model = transformers.Emu3ForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


@pytest.fixture
def model(reference: Any, characters: Any, tmp_path: Path) -> UnifiedModel:
    reference.save_pretrained(tmp_path)
    characters(SPECIAL, 0, "").save(tmp_path)
    made = build_model(compose(read_recipe_text(RECIPE.replace("FILE", str(tmp_path / "tokenizer.json")))))
    begin(made, {"backbone": str(tmp_path)}, lambda _: None)
    return made.eval()


@pytest.mark.parametrize("scale", [1.0, 3.0])
@torch.no_grad()
def test_the_most_likely_codes_are_those_of_transformers(scale: float, model: UnifiedModel, reference: Any) -> None:
    prompts = [model.processor.drawing_prompt(text) for text in ("a cat", "two small dogs on a very long street")]
    drawn = generate_codes(model, prompts, guidance=scale, temperature=0.0)
    assert drawn.shape == (2, 64, 1)
    for prompt, codes in zip(prompts, drawn[..., 0], strict=True):
        without = model.processor.unconditional(prompt)
        assert len(without) != len(prompt)
        guidance = transformers.UnbatchedClassifierFreeGuidanceLogitsProcessor(
            scale, reference, unconditional_ids=torch.tensor([without.ids])
        )
        codes_alone = transformers.PrefixConstrainedLogitsProcessor(
            lambda _, __: list(range(FIRST, FIRST + CODES)), num_beams=1
        )
        expected = reference.generate(
            torch.tensor([prompt.ids]),
            do_sample=False,
            max_new_tokens=64,
            logits_processor=transformers.LogitsProcessorList([guidance, codes_alone]),
        )
        assert codes.tolist() == (expected[0, len(prompt) :] - FIRST).tolist()
        assert len(set(codes.tolist())) > 2
