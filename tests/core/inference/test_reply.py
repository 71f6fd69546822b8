"""Conversations of several turns and pictures: as the layout writes them, batched as alone, streamed as complete."""

from __future__ import annotations

from typing import Any

import janiform
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Conversation, Draw, Look, Model, Sequence, Span, Turn, UsageError

WORDS = ("red", "how many circles?", "the large blue square", "圆 🙂", "<image_placeholder>", "a\n\nb", "<|User|>: x")


@pytest.fixture(scope="module")
def model(tiny_model: janiform.UnifiedModel) -> Model:
    return Model(tiny_model)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (12 + seed % 9, 14, 3), dtype=np.uint8)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Up to three turns of the user with up to two pictures each, answered in between."""
    turns: list[Turn] = []
    for _ in range(draw(st.integers(0, 2))):
        turns += [draw(asking()), Turn("assistant", draw(st.sampled_from(WORDS)))]
    return Conversation([*turns, draw(asking())], system=draw(st.sampled_from([None, "", "Be kind."])))


@st.composite
def asking(draw: st.DrawFn) -> Turn:
    pictures = [picture(draw(st.integers(0, 5))) for _ in range(draw(st.integers(0, 2)))]
    return Turn.asking(draw(st.sampled_from(WORDS)), *pictures)


def one_by_one(model: Model, sequence: Sequence, tokens: int) -> str:
    """Greedy, the whole sequence read anew for each token: neither batch nor padding nor cache."""
    unified, ids = model.model, list[int]()
    for _ in range(tokens):
        more = [Span("text", ids)] if ids else []
        batch = unified.processor.collate([Sequence((*sequence.spans, *more))])
        ids.append(int(unified.backbone.logits(unified.hidden(batch)[:, -1]).argmax()))
        if ids[-1] in unified.processor.layout.stop_ids:
            break
    return unified.processor.text.decode(ids).strip()


@settings(max_examples=12)
@given(batch=st.lists(conversations(), min_size=1, max_size=4), seed=st.integers(0, 1000))
def test_ragged_conversations_are_answered_as_each_alone(model: Model, batch: list[Conversation], seed: int) -> None:
    greedy = model.reply_all(batch, max_new_tokens=5)
    for conversation, reply in zip(batch, greedy, strict=True):
        assert reply == model.reply(conversation, max_new_tokens=5)
        assert reply == one_by_one(model, model.model.processor.sequence(conversation, answer=False), 5)
    sampling: dict[str, Any] = {"max_new_tokens": 5, "temperature": 1.0, "top_p": 0.9}
    seeds = [seed + 7 * row for row in range(len(batch))]
    sampled = model.reply_all(batch, seed=seeds, **sampling)
    assert sampled == [model.reply(one, seed=s, **sampling) for one, s in zip(batch, seeds, strict=True)]


@settings(max_examples=12)
@given(batch=st.lists(conversations(), min_size=1, max_size=3), stop=st.lists(st.sampled_from("aeo rs"), max_size=2))
def test_what_is_streamed_is_the_reply(model: Model, batch: list[Conversation], stop: list[str]) -> None:
    whole = model.reply_all(batch, max_new_tokens=12)
    shown = [""] * len(batch)

    def on_text(row: int, text: str) -> None:
        assert text
        shown[row] += text
        assert whole[row].startswith(shown[row]), "what was shown does not stay"

    streamed = model.reply_all(batch, max_new_tokens=12, stop=stop, on_text=on_text)
    assert shown == streamed
    for text, cut in zip(whole, streamed, strict=True):
        assert not any(string in cut for string in stop)
        assert text.startswith(cut)
    if not stop:
        assert streamed == whole


@given(conversation=conversations())
def test_placeholders_and_pictures_agree_by_construction(model: Model, conversation: Conversation) -> None:
    """A layout writes a picture's placeholders where a Look stands, and text can hold none, whatever it says."""
    sequence = model.model.processor.sequence(conversation, answer=False)
    looks = [piece for turn in conversation.turns for piece in turn.content if isinstance(piece, Look)]
    spans = [span for span in sequence.spans if span.kind == "look"]
    placeholder = model.model.processor.text.id_of("<image_placeholder>")
    assert len(spans) == len(looks)
    assert all(set(span.ids) == {placeholder} and span.picture is not None for span in spans)
    assert sequence.ids.count(placeholder) == len(looks) * model.model.plan.pathways["understanding"].tokens


def test_how_long_a_reply_may_be_does_not_hang_on_its_neighbours(model: Model) -> None:
    long = Conversation.asking("x " * 60)
    short = Conversation.asking("red?")
    together = model.reply_all([long, short], temperature=1.0, seed=[3, 4])
    assert together == [model.reply(long, temperature=1.0, seed=3), model.reply(short, temperature=1.0, seed=4)]


def test_conversations_that_cannot_be_replied_to(model: Model) -> None:
    user, assistant = Turn("user", "red?"), Turn("assistant", "yes")
    with pytest.raises(UsageError, match="nothing to reply to"):
        model.reply(Conversation((user, assistant)))
    with pytest.raises(UsageError, match="a Draw without a picture"):
        model.reply(Conversation((user, Turn("assistant", Draw()), user)))
    with pytest.raises(UsageError, match="Unicode"):
        model.reply(Conversation((user,), system="a \udc80"))
    with pytest.raises(UsageError, match="stop string"):
        model.reply(Conversation((user,)), stop="")
    with pytest.raises(UsageError, match="at least 1"):
        model.reply(Conversation((user,)), max_new_tokens=0)
    with pytest.raises(UsageError, match="one seed for each of 2 answers"):
        model.reply_all([Conversation((user,))] * 2, seed=[1])
    assert model.reply_all([]) == []
    picture_alone = Conversation((Turn("user", Look(picture(1))),))
    assert isinstance(model.reply(picture_alone, max_new_tokens=3), str)


def test_a_picture_that_was_drawn_may_be_talked_about(model: Model) -> None:
    drawn = model.generate("a red circle")[0]
    turns = (Turn("user", "a red circle"), Turn("assistant", Draw(drawn)), Turn("user", "red?"))
    assert isinstance(model.reply(Conversation(turns), max_new_tokens=3), str)
