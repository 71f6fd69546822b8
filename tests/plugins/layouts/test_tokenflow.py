"""The sequences of TokenFlow's drawing model, token by token, and what its layout leaves out of the release's rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from janiform import Codes, Conversation, Features, Grid, Mask, Sequence, Span, collate
from janiform.compose.plan import PathwayShape
from janiform_plugins.backbones.decoder.model import Decoder
from janiform_plugins.backbones.qwen3 import Qwen3Config
from janiform_plugins.layouts.config import TokenflowLayoutConfig
from janiform_plugins.layouts.tokenflow import TokenflowLayout

SPECIAL = {"<unk>": 0, "<s>": 1, "</s>": 2, "<img>": 3, "</img>": 4}
PAD, BEGIN, END, IMG, END_OF_IMAGE = SPECIAL.values()
PICTURE = np.zeros((8, 8, 3), np.uint8)
SCALES = (Grid(1, 1), Grid(2, 2))


@pytest.fixture(scope="module")
def layout(characters: Any) -> TokenflowLayout:
    codes = Codes(grid=SCALES[-1], vocabulary=16, width=4, scales=SCALES)
    shapes = {"generation": PathwayShape("draw", 5, lambda: None, codes, Features(5, 8))}
    return TokenflowLayout(TokenflowLayoutConfig(longest_prompt=9), characters(SPECIAL, 100, ""), shapes)


def ids(text: str) -> list[int]:
    return [100 + ord(letter) for letter in text]


def test_a_picture_follows_its_prompt_at_once(layout: TokenflowLayout) -> None:
    sequence = layout.render(Conversation.drawing("a cat ", PICTURE))
    assert sequence.ids == [BEGIN, *ids("a cat"), *[PAD] * 5, END_OF_IMAGE, END]
    assert [(span.kind, span.loss) for span in sequence.spans] == [("text", False), ("draw", True), ("text", False)]
    assert layout.drawing_prompt(" a cat") == Sequence(sequence.spans[:1])
    assert layout.unconditional(sequence).ids == [BEGIN, *[PAD] * 5, END_OF_IMAGE, END]
    assert layout.without(sequence, frozenset({"text"})) == layout.unconditional(sequence)
    assert layout.without(sequence, frozenset()) == sequence


def test_a_long_prompt_is_cut_and_a_negative_one_replaces_it(layout: TokenflowLayout) -> None:
    prompt = layout.drawing_prompt("x" * 50)
    assert prompt.ids == [BEGIN, *ids("x" * 8)]
    negative = TokenflowLayout(evolve(layout.config, negative="no"), layout.text, layout.pathways)
    assert negative.unconditional(prompt).ids == [BEGIN, *ids("no")]


def test_texts_and_pictures_are_read_as_they_are(layout: TokenflowLayout) -> None:
    sequence = layout.render(Conversation.document("hello"))
    assert sequence.ids == [BEGIN, *ids("hello"), END]
    assert sequence.spans[-1].loss
    asked = layout.render(Conversation.asking("why?", PICTURE, answer="so", pathway="generation"))
    assert [(span.kind, span.loss) for span in asked.spans] == [
        ("text", False),
        ("look", False),
        ("text", False),
        ("text", True),
        ("text", True),
    ]
    assert asked.ids == [BEGIN, *[PAD] * 5, *ids("why?"), *ids("so"), END]


def test_the_pads_of_the_release_shift_positions_and_change_nothing(layout: TokenflowLayout) -> None:
    """The release's row: pads on the left up to the longest prompt, unseen, and positions counted from the first."""
    torch.manual_seed(1)
    config = Qwen3Config(width=16, inner=32, layers=2, heads=2, head_width=8, vocabulary=300)
    backbone = Decoder(config).double().eval()
    picture = Span("draw", (PAD,) * 5, "generation", torch.zeros(5, 1), block_lengths=(1, 4))
    ours = collate([Sequence((*layout.drawing_prompt("a cat").spans, picture))])
    embeddings = backbone.embed(ours.ids)
    states = backbone(embeddings, ours.positions, ours.mask())
    pads = 9 - len(layout.drawing_prompt("a cat"))
    length = pads + ours.ids.shape[1]
    documents = torch.zeros(1, length, dtype=torch.int64)
    documents[:, :pads] = -1
    blocks = torch.zeros_like(documents)
    blocks[:, pads:] = ours.blocks
    padded = torch.cat((torch.randn(1, pads, 16).double(), embeddings), dim=1)
    theirs = backbone(padded, torch.arange(length)[None], Mask(documents, blocks))
    torch.testing.assert_close(theirs[:, pads:], states, rtol=1e-6, atol=1e-6)  # rotary angles are float32
