"""A small JanusFlow against its sampler written out around transformers' Llama, without a cache and row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from janiform import Conversation, Corrupted, UnifiedModel, normal, read_recipe_text, sampler_of
from janiform.compose import compose
from janiform.model.build import build_model
from janiform_plugins.backbones.decoder.weights import causal_lm
from janiform_plugins.objectives.next_token import next_token_losses
from torch import Tensor

RECIPE = """
recipe = 1
name = "small-janusflow"

[backbone]
use = "llama"
width = 32
inner = 48
layers = 2
heads = 4
vocabulary = 320
context = 256

[text]
use = "bpe"
vocabulary = 320

[layout]
use = "janus"
drawn_marks = false
hide = true

[understanding]
encoder = { use = "siglip", image_size = 16, patch_size = 8, width = 16, layers = 1, heads = 2 }
adapter = { use = "linear", lead = true }

[generation]
embedding = { use = "uvit", width = 8, frequencies = 8 }
adapter = { use = "identity" }
head = { use = "uvit", width = 8 }
sampler = { use = "flow", steps = 3, guidance = 2.0, times = "logit-normal" }

[generation.tokenizer]
use = "kl"
image_size = 16
channels = 8
groups = 4
multipliers = [1, 2]
blocks = 1
latent = 2
patch = 2
"""
PROMPTS = ("a cat", "two small dogs on a long street")
PLACES = 16


@pytest.fixture(scope="module")
def model() -> UnifiedModel:
    torch.manual_seed(0)
    made = build_model(compose(read_recipe_text(RECIPE)))
    made.processor.fit([*PROMPTS, "what is it?"] * 4)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return made.eval()


@pytest.fixture(scope="module")
def llama(model: UnifiedModel) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    ours: Any = model.part("backbone")
    config = ours.config
    made = LlamaForCausalLM(
        LlamaConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, vocab_size=320,
                    rms_norm_eps=config.eps, rope_theta=config.rope_theta)
    ).eval()  # fmt: skip
    tensors = made.state_dict()
    for name, tensor in ours.state_dict().items():
        for piece in causal_lm(config).pieces(name, tensor.shape) or ():
            tensors[piece.name].copy_(tensor if piece.rows is None else tensor[piece.rows])
    return made


def velocity(model: Any, llama: Any, ids: list[int], shown: int, z: Tensor, time: float) -> Tensor:
    """What the net predicts of latents [1, N, C], where only the first ``shown`` ids are attended to."""
    corrupted = Corrupted(torch.tensor([time]))
    vectors = model.generation.embedding(z, 0, corrupted)
    inputs = torch.cat((llama.model.embed_tokens(torch.tensor([ids])), vectors), dim=1)
    mask = torch.ones(1, inputs.shape[1], dtype=torch.int64)
    mask[0, shown : len(ids)] = 0
    places = torch.arange(inputs.shape[1])[None]
    states = llama.model(inputs_embeds=inputs, attention_mask=mask, position_ids=places, use_cache=False)
    predicted: Tensor = model.generation.head(states.last_hidden_state[:, -PLACES - 1 :], z, corrupted)
    return predicted


@torch.no_grad()
def test_drawing_is_the_released_loop(model: Any, llama: Any) -> None:
    prompts = [model.processor.drawing_prompt(text) for text in PROMPTS]
    drawn = sampler_of(model.plan).draw(model, prompts, seeds=[3, 4])
    for row, (prompt, seed) in enumerate(zip(prompts, (3, 4), strict=True)):
        ids = list(prompt.ids)
        blank = [ids[0], *[model.processor.layout.pad_id] * (len(ids) - 1)]
        z = normal([seed], (PLACES, 8))
        for step in range(3):
            conditional = velocity(model, llama, ids, len(ids), z, step / 3)
            unconditional = velocity(model, llama, blank, 1, z, step / 3)
            z = z + (2 * conditional - unconditional) / 3
        torch.testing.assert_close(drawn[row : row + 1], z, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_loss_is_that_of_velocities(model: Any, llama: Any) -> None:
    chance = np.random.default_rng(0)
    picture = chance.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    sequences = [model.processor.sequence(Conversation.drawing(text, picture)) for text in PROMPTS]
    sequences = [model.processor.corrupted(sequence, chance) for sequence in sequences]
    sequences[1] = model.processor.unconditional(sequences[1])
    loss = next_token_losses(model, model.processor.collate(sequences))["generation"]
    total = 0.0
    for row, sequence in enumerate(sequences):
        corruption = next(span.corruption for span in sequence.spans if span.kind == "draw")
        pixels = next(span.picture for span in sequence.spans if span.kind == "draw")
        before = sum(span.length for span in sequence.spans[: [span.kind for span in sequence.spans].index("draw")])
        noise = normal([corruption.seed], (PLACES, 8))
        data = model.generation.tokenizer.encode(pixels[None])
        z = corruption.time * data + (1 - corruption.time) * noise
        shown = before if row == 0 else 1
        predicted = velocity(model, llama, sequence.ids[:before], shown, z, corruption.time)
        total += float((predicted - (data - noise)).square().mean(-1).sum())
    assert float(loss.count) == 2 * PLACES
    assert float(loss.total) == pytest.approx(total, rel=1e-4)


def test_looking_has_a_learned_vector_before_the_features(model: Any) -> None:
    assert model.plan.pathways["understanding"].tokens == 5
    vectors = model.understanding.adapter(torch.randn(2, 4, 16))
    assert torch.equal(vectors[0, 0], vectors[1, 0])
    assert torch.equal(vectors[0, 0], model.understanding.adapter.lead[0])


def test_what_is_blanked_is_seen_by_nobody(model: Any) -> None:
    prompt = model.processor.unconditional(model.processor.drawing_prompt("a cat"))
    assert [span.seen_by for span in prompt.spans] == ["later", "itself"]
    assert prompt.spans[0].length == 1
    assert prompt.positions == list(range(len(prompt)))
