"""Generated text: a row gives what it gives alone, stops where it should, and refuses what cannot fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from janiform import Conversation, Sequence, Span, UnifiedModel, UsageError, generate_text
from janiform.inference.generate.answer import Answer
from safetensors.torch import load_file


@pytest.fixture(scope="module")
def prompts(tiny_model: UnifiedModel) -> list[Sequence]:
    picture = np.random.default_rng(0).integers(0, 256, (20, 14, 3), dtype=np.uint8)
    conversations = [
        Conversation.asking("how many circles are above the large blue square?", picture),
        Conversation.asking("hi"),
        Conversation.asking("which?", picture, picture),
        Conversation.document(""),
    ]
    return [tiny_model.processor.sequence(conversation, answer=False) for conversation in conversations]


@torch.no_grad()
def without_cache(model: UnifiedModel, prompt: Sequence, tokens: int) -> str:
    """Greedy, the whole sequence read anew for each token."""
    ids: list[int] = []
    for _ in range(tokens):
        more = [Span("text", ids)] if ids else []
        batch = model.processor.collate([Sequence((*prompt.spans, *more))])
        ids.append(int(model.backbone.logits(model.hidden(batch)[:, -1]).argmax()))
        if ids[-1] in model.processor.layout.stop_ids:
            break
    return model.processor.text.decode(ids).strip()


def test_greedy_rows_are_what_they_are_alone_and_without_a_cache(
    tiny_model: UnifiedModel, prompts: list[Sequence]
) -> None:
    together = generate_text(tiny_model, prompts, max_new_tokens=12)
    assert together == [generate_text(tiny_model, [prompt], max_new_tokens=12)[0] for prompt in prompts]
    assert together == [without_cache(tiny_model, prompt, 12) for prompt in prompts]
    assert len(set(together)) > 1


def test_pictures_that_are_seen_both_ways(tiny_model: UnifiedModel, prompts: list[Sequence]) -> None:
    both = [
        Sequence(evolve(span, mask="full") if span.kind == "look" else span for span in prompt.spans)
        for prompt in prompts
    ]
    together = generate_text(tiny_model, both, max_new_tokens=8)
    assert together == [without_cache(tiny_model, prompt, 8) for prompt in both]
    assert together != generate_text(tiny_model, prompts, max_new_tokens=8)


def test_sampled_rows_follow_their_seeds(tiny_model: UnifiedModel, prompts: list[Sequence]) -> None:
    settings: dict[str, Any] = {"max_new_tokens": 10, "temperature": 1.0, "top_p": 0.95}
    seeds = [3, 4, 5, 6]
    together = generate_text(tiny_model, prompts, seeds=seeds, **settings)
    alone = [generate_text(tiny_model, [p], seeds=[s], **settings)[0] for p, s in zip(prompts, seeds, strict=True)]
    assert together == alone
    assert together != generate_text(tiny_model, prompts, seeds=[30, 40, 50, 60], **settings)


def test_the_official_answer(official_model: UnifiedModel, official: Any) -> None:
    expected = load_file(official / "expected.safetensors")
    before, after = (expected[f"und.{part}_ids"][0].tolist() for part in ("prefix", "suffix"))
    look = Span("look", [0] * 16, "understanding", expected["image_0.pixel_values"])
    prompt = Sequence((Span("text", before), look, Span("text", after)))
    with torch.no_grad():
        hidden = official_model.hidden(official_model.processor.collate([prompt]))
        logits = official_model.backbone.logits(hidden[:, -9:])
    torch.testing.assert_close(logits, expected["und.text_logits_last9"], rtol=1e-4, atol=1e-4)
    answer = official_model.processor.text.decode(expected["und.greedy_ids"][0].tolist()).strip()
    short = Sequence((Span("text", [1, 2, 3]),))
    assert generate_text(official_model, [short, prompt], max_new_tokens=12)[1] == answer


def test_text_is_shown_as_it_comes(tiny_model: UnifiedModel, prompts: list[Sequence]) -> None:
    shown = [""] * len(prompts)

    def on_text(row: int, text: str) -> None:
        assert text
        shown[row] += text

    assert shown != generate_text(tiny_model, prompts, max_new_tokens=12, on_text=on_text)[:0]
    assert shown == generate_text(tiny_model, prompts, max_new_tokens=12)


def test_every_row_may_have_its_own_limit(tiny_model: UnifiedModel, prompts: list[Sequence]) -> None:
    limits = [3, 9, 1, 12]
    for settings in ({}, {"temperature": 1.0, "seeds": [3, 4, 5, 6]}, {"on_text": lambda row, text: None}):
        together = generate_text(tiny_model, prompts, max_new_tokens=limits, **settings)  # type: ignore[arg-type]
        for row, (prompt, limit) in enumerate(zip(prompts, limits, strict=True)):
            own = settings | ({"seeds": [3 + row]} if "seeds" in settings else {})
            assert [together[row]] == generate_text(tiny_model, [prompt], max_new_tokens=limit, **own)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"one per prompt \(4\); got 2"):
        generate_text(tiny_model, prompts, max_new_tokens=[1, 2])


def test_a_row_that_has_ended_is_not_carried_past_the_context(
    tiny_model: UnifiedModel, prompts: list[Sequence]
) -> None:
    positions: list[int] = []
    hook = tiny_model.backbone.register_forward_pre_hook(lambda _, args: positions.append(int(args[1].max())))
    full = Sequence((Span("text", [5] * 250),))
    try:
        generate_text(
            tiny_model, [full, prompts[1], prompts[2]], max_new_tokens=[3, 60, 60], temperature=1.0, seeds=[0, 0, 1]
        )
    finally:
        hook.remove()
    assert len(positions) > 6
    assert max(positions) == 255


def test_a_stop_string_ends_the_row_before_it(tiny_model: UnifiedModel, prompts: list[Sequence]) -> None:
    whole = generate_text(tiny_model, prompts, max_new_tokens=12)
    stop = whole[0][2:4]
    for text, cut in zip(whole, generate_text(tiny_model, prompts, max_new_tokens=12, stop=[stop]), strict=True):
        assert cut == text.split(stop)[0].strip()


def test_what_cannot_be_done_is_refused_before_work_begins(tiny_model: UnifiedModel, prompts: list[Sequence]) -> None:
    class Unusable:
        """Looks like the model to the checks, and has nothing to compute with."""

        plan, processor = tiny_model.plan, tiny_model.processor

    model: Any = Unusable()
    long = tiny_model.processor.sequence(Conversation.asking("x " * 300), answer=False)
    with pytest.raises(UsageError, match=r"prompt 2 has \d+ tokens.*context of 256: shorten it to 246 tokens"):
        generate_text(model, [prompts[0], long], max_new_tokens=10)
    with pytest.raises(UsageError, match=r"or ask for at most \d+$"):
        generate_text(model, prompts[:1], max_new_tokens=250)
    with pytest.raises(UsageError, match="300 new tokens do not fit"):
        generate_text(model, prompts, max_new_tokens=300)
    with pytest.raises(UsageError, match="at least 1"):
        generate_text(model, prompts, max_new_tokens=0)
    with pytest.raises(UsageError, match="at least one prompt; got none"):
        generate_text(model, [], max_new_tokens=5)
    with pytest.raises(UsageError, match="stop string"):
        generate_text(model, prompts, max_new_tokens=5, stop=[""])
    with pytest.raises(UsageError, match="top_p"):
        generate_text(model, prompts, max_new_tokens=5, top_p=0)


def test_generation_leaves_the_model_as_it_was(tiny_model: UnifiedModel, prompts: list[Sequence]) -> None:
    tiny_model.understanding.train()
    before = {name: module.training for name, module in tiny_model.named_modules()}
    generate_text(tiny_model, prompts, max_new_tokens=2)
    assert before == {name: module.training for name, module in tiny_model.named_modules()}
    assert torch.is_grad_enabled()
    tiny_model.eval()


class Bytes:
    """A tokenizer whose ids are bytes."""

    def decode(self, ids: list[int]) -> str:
        return bytes(ids).decode(errors="replace")


class Words:
    """A tokenizer that drops the blank before the first word of what it decodes, as sentencepiece does."""

    def decode(self, ids: list[int]) -> str:
        return "".join(f" {id}" if id % 3 else str(id) for id in ids).removeprefix(" ")


@given(st.lists(st.one_of(st.integers(0, 255), st.sampled_from(list("é世🙂".encode()))), max_size=30))
def test_an_answer_is_decoded_bit_by_bit_as_in_one_go(ids: list[int]) -> None:
    for tokenizer in (Bytes(), Words()):
        answer = Answer(tokenizer)
        shown = ""
        for number, id in enumerate(ids, start=1):
            shown += answer.add(id, last=number == len(ids))
            assert answer.text == tokenizer.decode(ids[:number]).strip()
            assert answer.text.startswith(shown)
        assert shown == answer.text


def pieces(text: str) -> Iterator[int]:
    return iter(text.encode())


@given(
    st.text(alphabet="ab \n世🙂", max_size=20), st.lists(st.text(alphabet="ab世", min_size=1, max_size=3), max_size=3)
)
def test_an_answer_shows_only_what_stays(text: str, stop: list[str]) -> None:
    answer = Answer(Bytes(), tuple(stop))
    data = text.encode()
    shown = ""
    for number, byte in enumerate(data):
        shown += answer.add(byte, last=number == len(data) - 1)
        if answer.finished:
            break
    # The first stop string to be complete ends the row, even where a longer one would have begun before it.
    ends = (text[:size] for size in range(len(text) + 1) if any(string in text[:size] for string in stop))
    seen = next(ends, text)
    cut = min((seen.find(string) for string in stop if string in seen), default=len(seen))
    assert answer.text == seen[:cut].strip()
    assert shown == answer.text
