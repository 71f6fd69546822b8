"""Embedding by the tokenizer's own vectors: the same numbers, no weights of its own, and what composition refuses."""

import pytest
import torch
from janiform import CompositionError, Conversation, read_recipe
from janiform.compose import compose
from janiform.model.build import build_model
from PIL import Image

RECIPE = "janus-micro-split"


def test_a_picture_is_embedded_by_the_tokenizer_s_own_vectors() -> None:
    torch.manual_seed(0)
    model = build_model(compose(read_recipe(RECIPE)))
    tokenizer, embedding = model.part("generation.tokenizer"), model.part("generation.embedding")
    assert not list(embedding.parameters())
    assert not [name for name in model.state_dict() if name.startswith("generation.embedding")]
    codes = torch.randint(64, (2, 64, 2))
    assert torch.equal(embedding(codes), tokenizer.vectors(codes))
    assert torch.equal(embedding(codes[:, 5:6], 5), tokenizer.vectors(codes)[:, 5:6])
    with torch.no_grad():
        tokenizer.quantize.books[1].embedding.weight.neg_()
    assert torch.equal(embedding(codes), tokenizer.vectors(codes))
    halved = model.bfloat16().part("generation.embedding")
    assert halved(codes).dtype == torch.bfloat16


def test_looking_reads_the_same_vectors_as_drawing() -> None:
    torch.manual_seed(0)
    model = build_model(compose(read_recipe(RECIPE))).eval()
    picture = Image.effect_noise((32, 32), 90).convert("RGB")
    model.processor.fit(["what is this? a circle"] * 4)
    looked = model.processor.collate([model.processor.sequence(Conversation.asking("what is this?", picture))])
    pictures = looked.pictures["understanding"]
    codes = model.drawn(pictures, "understanding")
    expected = model.part("generation.adapter")(model.part("generation.tokenizer").vectors(codes))
    torch.testing.assert_close(model.embed_pictures(pictures, "understanding"), expected)


def test_an_embedding_that_is_shared_without_its_tokenizer_is_refused() -> None:
    own = (
        'understanding={ tokenizer = { use = "split-vq", image_size = 32, channels = 8, groups = 1, '
        "multipliers = [1, 4, 8], vocabulary = 64, depth = 2, code_width = 16 }, "
        'embedding = { share = "generation.embedding" }, adapter = { use = "mlp" } }'
    )
    with pytest.raises(CompositionError, match=r"uses the weights of generation\.tokenizer, but the tokenizer of"):
        compose(read_recipe(RECIPE, [own]))


def test_latents_are_refused() -> None:
    with pytest.raises(CompositionError, match="embedding 'codebook' needs codes"):
        compose(read_recipe("transfusion-7b", ['generation.embedding={ use = "codebook" }']))
