"""An official checkpoint, opened as it is, against what the official implementation computed with it.

The whole model's generation is tested beside its engine; here every part is, with its own cache and masks.
"""

import pytest
import torch
from janiform import KVCache, Mask
from safetensors.torch import load_file


@pytest.fixture(scope="module")
def expected(official):
    return load_file(official / "expected.safetensors")


@pytest.fixture(scope="module")
def part(official_model):
    return official_model.part


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def assert_exact(given, expected):
    """Within 1e-5 of the largest value."""
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


def pixels(expected):
    return torch.stack([expected["image_0.pixel_values"], expected["image_1.pixel_values"]])


def test_understanding_features(part, expected):
    features = part("understanding.encoder")(pixels(expected))
    assert_exact(features, expected["vision_features"])
    assert_exact(part("understanding.adapter")(features), expected["aligned_features"])


def decoder(part, rows, length):
    """A function of embeddings [rows, T, H] that gives their hidden states, one after the other with a cache."""
    backbone = part("backbone")
    shape = backbone.config.hidden()
    cache = KVCache(shape.layers, rows, shape.kv_heads, length, shape.head_width)
    mask = Mask.causal()

    def step(embeddings):
        positions = torch.arange(cache.filled, cache.filled + embeddings.shape[1]).expand(rows, -1)
        return backbone(embeddings, positions, mask, cache)

    return step


def test_text_logits_and_greedy_answer(part, expected):
    backbone = part("backbone")
    step = decoder(part, rows=1, length=64)
    before, after = expected["und.prefix_ids"], expected["und.suffix_ids"]
    prompt = torch.cat((backbone.embed(before), expected["aligned_features"][:1], backbone.embed(after)), dim=1)
    logits = backbone.logits(step(prompt)[:, -9:])
    assert_exact(logits, expected["und.text_logits_last9"])
    ids = []
    for _ in range(expected["und.greedy_ids"].shape[1]):
        ids.append(logits[:, -1:].argmax(dim=-1))
        logits = backbone.logits(step(backbone.embed(ids[-1])))
    assert torch.equal(torch.cat(ids, dim=1), expected["und.greedy_ids"])


def test_visual_tokenizer(part, expected):
    tokenizer = part("generation.tokenizer")
    codes = tokenizer.encode(pixels(expected))
    assert torch.equal(codes[..., 0], expected["vq.indices"])
    assert_exact(tokenizer.vectors(codes).transpose(1, 2).unflatten(2, (4, 4)), expected["vq.latents"])
    assert_exact(tokenizer.decode(codes), expected["vq.decoded"])


def test_guided_greedy_picture(part, expected):
    backbone, head = part("backbone"), part("generation.head")
    prompt = expected["gen.prompt_ids"].repeat(2, 1)
    prompt[1, 1:-1] = 3
    step = decoder(part, rows=2, length=24)
    logits = head(step(backbone.embed(prompt))[:, -1])
    assert_exact(logits, expected["gen.first_logits_cond_uncond"])
    codes = []
    for index in range(16):
        conditional, unconditional = logits
        codes.append((unconditional + 5 * (conditional - unconditional)).argmax())
        if index == 15:
            assert_exact(logits, expected["gen.greedy_cfg5_last_logits"])
        vector = part("generation.adapter")(part("generation.embedding")(codes[-1].view(1, 1, 1)))
        logits = head(step(vector.expand(2, -1, -1))[:, -1])
    codes = torch.stack(codes)[None]
    assert torch.equal(codes, expected["gen.greedy_cfg5_codes"])
    assert_exact(part("generation.tokenizer").decode(codes[..., None]), expected["gen.image"])
