"""Directories that transformers writes, opened as they are, against transformers itself: a dozen random Januses.

Sizes, numbers of layers, heads and key heads, picture and codebook sizes, depths, ties, prompts and numbers of pictures
differ from one to the next.
"""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from janiform import Conversation, Look, Turn, generate_codes, generate_text, open_model
from torch.nn.functional import normalize
from transformers.models.janus.configuration_janus import JanusConfig
from transformers.models.janus.modeling_janus import JanusForConditionalGeneration

PROMPTS = (
    "What is in this picture?",
    "  Which one is brighter?\n",
    "两张图片有什么不同？",
    "Compare them 🙂, please: <|User|> is only text.",
    "a photo of two cats",
)


@pytest.fixture(autouse=True)
def _no_gradients() -> Any:
    with torch.no_grad():
        yield


def randomise(module: torch.nn.Module, seed: int) -> None:
    """Also what starts as zeros and ones, so that a swapped bias or norm shows."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        weight = parameter.dim() > 1
        scale = parameter[0].numel() ** -0.5 if weight else 0.3
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale + (0 if weight else 0.7))


def config(chance: random.Random) -> JanusConfig:
    heads = chance.choice((1, 2, 4))
    width = heads * chance.choice((8, 12, 16))
    grid = chance.choice((2, 3, 4))
    patch = chance.choice((8, 16))
    eyes = chance.choice((1, 2, 3))
    return JanusConfig(
        text_config={
            "model_type": "llama",
            "vocab_size": 768 + chance.choice((0, 8, 100)),
            "hidden_size": width,
            "intermediate_size": chance.randrange(8, 64),
            "num_hidden_layers": chance.choice((1, 2, 3)),
            "num_attention_heads": heads,
            "num_key_value_heads": chance.choice([number for number in (1, 2, 4) if heads % number == 0]),
            "rms_norm_eps": chance.choice((1e-6, 1e-5)),
            "max_position_embeddings": 2048,
            "rope_parameters": {"rope_type": "default", "rope_theta": chance.choice((10_000.0, 500_000.0))},
        },
        vision_config={
            "hidden_size": eyes * chance.choice((8, 16)),
            "num_hidden_layers": chance.choice((1, 2, 3)),
            "num_attention_heads": eyes,
            "image_size": grid * patch,
            "patch_size": patch,
            "mlp_ratio": chance.choice((2.0, 4.0)),
            "depth": chance.choice((1, 2, 3)),
            "projection_dim": width,
            "num_image_tokens": grid * grid,
        },
        vq_config={
            "embed_dim": chance.choice((4, 8)),
            "num_embeddings": chance.randrange(16, 80),
            "latent_channels": chance.choice((6, 16)),
            "base_channels": 32,
            "channel_multiplier": [chance.choice((1, 2)) for _ in range(chance.choice((1, 2, 3)))],
            "num_res_blocks": chance.choice((1, 2)),
            "num_hidden_layers": chance.choice((1, 2, 3)),
            "projection_dim": width,
            "image_token_embed_dim": width,
        },
        tie_word_embeddings=chance.choice((True, False)),
        image_token_id=765,
    )


def write_processor(folder: Path, official: Path, janus_config: JanusConfig) -> None:
    """The files that ``JanusProcessor`` writes, with the tokenizer of the official fixture."""
    shutil.copy(official / "tokenizer.json", folder)
    names = {
        "bos_token": "<｜begin▁of▁sentence｜>",
        "eos_token": "<｜end▁of▁sentence｜>",
        "pad_token": "<｜▁pad▁｜>",
        "image_token": "<image_placeholder>",
        "boi_token": "<begin_of_image>",
        "eoi_token": "<end_of_image>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(names))
    side = janus_config.vision_config.image_size
    eyes = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "min_size": 14, "size": {"height": side, "width": side}}
    tokens = janus_config.vision_config.num_image_tokens
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": eyes, "num_image_tokens": tokens}))


@pytest.fixture(scope="module", params=range(12))
def janus(request: Any, official: Path, tmp_path_factory: Any) -> SimpleNamespace:
    """A random Janus of transformers, and the one that janiform opens from its directory."""
    chance = random.Random(request.param)
    janus_config = config(chance)
    reference = JanusForConditionalGeneration(janus_config).eval()
    with torch.no_grad():
        randomise(reference, seed=request.param)
    folder = tmp_path_factory.mktemp("hf")
    reference.save_pretrained(folder, max_shard_size="300KB" if request.param % 3 == 0 else "5GB")
    write_processor(folder, official, janus_config)
    return SimpleNamespace(
        reference=reference, ours=open_model(folder), chance=chance, config=janus_config, folder=folder
    )


def assert_exact(given: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-5 * max(expected.abs().max().item(), 1e-3))


def asking(janus: SimpleNamespace) -> Any:
    """A conversation with one to four pictures, as a batch of one row."""
    chance, pieces = janus.chance, []
    side = janus.config.vision_config.image_size
    for index in range(chance.choice((1, 2, 3, 4))):
        pixels = np.random.default_rng(index).integers(0, 256, (side, side, 3), dtype=np.uint8)
        pieces += [Look(pixels), f" is Figure {index + 1}.\n"]
    prompt = janus.ours.processor.sequence(
        Conversation((Turn("user", (*pieces, chance.choice(PROMPTS))),)), answer=False
    )
    return prompt, janus.ours.processor.collate([prompt])


def test_looking_and_answering(janus: SimpleNamespace) -> None:
    reference, ours = janus.reference, janus.ours
    prompt, batch = asking(janus)
    pixels = batch.pictures["understanding"].pixels
    seen = reference.model.get_image_features(pixels)
    features = ours.understanding.encoder(pixels)
    assert_exact(features, seen.last_hidden_state)
    assert_exact(ours.understanding.adapter(features), seen.pooler_output)
    attended = torch.ones_like(batch.ids)
    assert_exact(
        ours.backbone.logits(ours.hidden(batch)),
        reference(batch.ids, pixel_values=pixels, attention_mask=attended).logits,
    )
    ids = reference.generate(
        batch.ids, pixel_values=pixels, attention_mask=attended, do_sample=False, max_new_tokens=8, eos_token_id=761,
        pad_token_id=762,
    )  # fmt: skip
    answer = ours.processor.text.decode(ids[0, batch.ids.shape[1] :].tolist()).strip()
    assert generate_text(ours, [prompt], max_new_tokens=8) == [answer]


def test_drawing(janus: SimpleNamespace) -> None:
    reference, ours = janus.reference, janus.ours
    prompt = ours.processor.drawing_prompt(janus.chance.choice(PROMPTS))
    ids = torch.tensor([prompt.ids])
    hidden = reference.model.language_model(ids).last_hidden_state
    assert_exact(ours.generation.head(ours.hidden(ours.processor.collate([prompt]))[:, -1]),
                 reference.model.generation_head(hidden[:, -1]))  # fmt: skip
    reference.generation_config.generation_kwargs = {"boi_token_id": 763}
    codes = reference.generate(
        ids, attention_mask=torch.ones_like(ids), generation_mode="image", do_sample=False, guidance_scale=5.0,
        bos_token_id=760, eos_token_id=761, pad_token_id=762,
    )  # fmt: skip
    assert generate_codes(ours, [prompt], guidance=5, temperature=0)[..., 0].tolist() == codes.tolist()
    drawn = torch.randint(janus.config.vq_config.num_embeddings, (2, codes.shape[1]))
    assert_exact(
        ours.embed_drawn(drawn[..., None], "generation"), reference.prepare_embeddings_for_image_generation(drawn)
    )


def test_codes_and_pictures(janus: SimpleNamespace) -> None:
    """In float64, since a dozen random convolutions amplify the rounding of float32 beyond 1e-5."""
    reference, ours = janus.reference.model.vqmodel.double(), janus.ours.generation.tokenizer.double()
    side = ours.config.image_size
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(2, 3, side, side, generator=generator, dtype=torch.float64) * 2 - 1
    codes = torch.randint(ours.config.vocabulary, (2, ours.config.grid.size), generator=generator)
    assert_exact(ours.decode(codes[..., None]), reference.decode(codes))
    # The port chooses codes without normalising the vectors, which the reference does: only what comes before is equal.
    latents = reference.quant_conv(reference.encoder(pixels)).flatten(2).transpose(1, 2)
    book = normalize(reference.quantize.embedding.weight, dim=-1)
    nearest = torch.cdist(normalize(latents, dim=-1), book).argmin(dim=-1)
    assert torch.equal(ours.encode(pixels)[..., 0], nearest)
    reference.float()
    ours.float()


def test_the_recipe_follows_the_config(janus: SimpleNamespace) -> None:
    parts = {path: part.use.config for path, part in janus.ours.plan.parts.items()}
    assert parts["backbone"].tied == janus.config.tie_word_embeddings
    assert parts["backbone"].kv_heads == janus.config.text_config.num_key_value_heads
    assert parts["layout"].roles == ("<|User|>", "<|Assistant|>")
    assert sum(p.numel() for p in janus.ours.parameters()) == sum(p.numel() for p in janus.reference.parameters())
