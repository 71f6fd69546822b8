"""Pictures that are drawn from other pictures: prompts as those of Janus-4o, several guidance rows, provenance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import janiform
import numpy as np
import pytest
import torch
from janiform import (
    Chat,
    Conversation,
    Draw,
    Guidance,
    GuidanceRow,
    Look,
    Model,
    Processor,
    Turn,
    UnifiedModel,
    UsageError,
    build_model,
    generate_codes,
)
from janiform.compose import compose
from janiform.guidance import EVERYTHING, TEXT
from PIL import Image

RECIPE = """
recipe = 1
name = "edits"
extends = "janus-mini"
layout.draws_from = ["understanding", "source_codes"]
layout.most_sources = 2

[source_codes]
mode = "look"
share = "generation"
transform = "understanding"

[generation]
transform = "understanding"

[generation.sampler]
guidance = 4.0
picture_guidance = 3.0
rule = "mixed"
"""


@pytest.fixture(scope="module")
def mini() -> Model:
    """The shipped weights, whose pathway `source_codes` is made of parts that they have."""
    shipped = janiform.load("janus-mini")
    plan = compose(janiform.read_recipe_text(RECIPE))
    model = build_model(plan, seed=0)
    model.processor = Processor(plan, shipped.folder)
    model.load_state_dict(shipped.model.state_dict())
    model.eval()
    return Model(model)


def picture(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (50, 80, 3), dtype=np.uint8))


def request(words: str, *seeds: int) -> Conversation:
    return Conversation((Turn("user", (*(Look(picture(seed)) for seed in seeds), words)),))


def test_a_prompt_with_pictures_is_that_of_janus_4o(mini: Model) -> None:
    text, processor = mini.model.processor.text, mini.model.processor
    prompt = processor.drawing_prompt(request("make it red", 0, 1))
    begin, end, hole = (text.id_of(f"<{name}>") for name in ("begin_of_image", "end_of_image", "image_placeholder"))
    looked, coded = (processor.pathways[name].tokens for name in ("understanding", "source_codes"))
    source = [begin, *[hole] * looked, end, begin, *[hole] * coded, end]
    user, assistant, start = (text.id_of(t) for t in ("<|User|>", "<|Assistant|>", "<｜begin▁of▁sentence｜>"))
    middle = [*text.encode("make it red\n\n"), assistant, *text.encode(":"), begin]
    assert prompt.ids == [start, user, *text.encode(": "), *source, *source, *middle]
    pictures = [span.picture for span in prompt.spans if span.kind == "look"]
    # Both pathways see the same pixels: padded to a square, not cropped.
    assert torch.equal(pictures[0], pictures[1])  # type: ignore[arg-type]
    assert not torch.equal(pictures[0], pictures[2])  # type: ignore[arg-type]


def test_a_prompt_is_the_beginning_of_what_is_trained_on(mini: Model) -> None:
    processor = mini.model.processor
    trained = processor.sequence(Conversation.drawing("make it red", picture(9), sources=[picture(0)]))
    prompt = processor.drawing_prompt(request("make it red", 0))
    assert trained.ids[: len(prompt)] == prompt.ids
    assert [span.pathway for span in trained.spans if span.kind == "draw"] == ["generation"]
    plain = processor.sequence(Conversation.drawing("a red circle", picture(9)))
    assert plain.ids[: len(processor.drawing_prompt("a red circle"))] == processor.drawing_prompt("a red circle").ids


def test_the_rows_of_a_picture_see_parts_of_its_prompt(mini: Model) -> None:
    processor = mini.model.processor
    prompt, pad = processor.drawing_prompt(request("make it red", 0)), processor.layout.pad_id
    coded = processor.without(prompt, frozenset({"source_codes"}))
    assert [span.pathway for span in coded.spans if span.kind == "look"] == ["understanding"]
    tokens = processor.pathways["source_codes"].tokens
    assert [id for id in coded.ids if id == pad] == [pad] * tokens
    assert len(coded) == len(prompt)
    wordless = processor.without(prompt, frozenset({TEXT}))
    assert [span.pathway for span in wordless.spans if span.kind == "look"] == ["understanding", "source_codes"]
    assert {id for span in wordless.spans[1:-1] if span.kind == "text" for id in span.ids} == {pad}
    assert (wordless.ids[0], wordless.ids[-1]) == (prompt.ids[0], prompt.ids[-1])
    nothing = processor.without(prompt, EVERYTHING)
    assert nothing.ids == [prompt.ids[0], *[pad] * (len(prompt) - 2), prompt.ids[-1]]
    both = processor.without(prompt, frozenset({TEXT, "understanding", "source_codes"}))
    assert both.ids == nothing.ids


def codes_of_whole_forwards(model: UnifiedModel, rows: Sequence[Any], weights: Sequence[float]) -> torch.Tensor:
    """Greedy codes of one picture: for each code one forward without a cache per row, and logits that are added up."""
    embedding, adapter, head = (model.part(f"generation.{name}") for name in ("embedding", "adapter", "head"))
    embedded = [model.embed(model.processor.collate([row])) for row in rows]
    codes: list[torch.Tensor] = []
    for place in range(model.plan.pathways["generation"].tokens):
        logits = torch.zeros(())
        for row, weight in zip(embedded, weights, strict=True):
            positions = torch.arange(row.shape[1])[None]
            hidden = model.part("backbone")(row, positions, janiform.Mask.causal())
            logits = logits + weight * head(hidden[:, -1])
        codes.append(logits.argmax(-1)[None])
        vector = adapter(embedding(codes[-1][..., None], place))
        embedded = [torch.cat([row, vector], dim=1) for row in embedded]
    return torch.cat(codes, dim=1)[..., None]


@pytest.mark.parametrize(
    ("settings", "hidden", "weights"),
    [
        ({}, [(), ("source_codes",), None], [4 / 4, 4 * 3 / 4, -3]),
        ({"rule": "nested", "guidance": 3.0, "picture_guidance": 1.2}, [(), (TEXT,), None], [3, 1.2 - 3, 1 - 1.2]),
        ({"rule": "plain", "guidance": 2.0}, [(), None], [2, -1]),
        ({"picture_guidance": 0.0}, [(), None], [4, -3]),
        ({"guidance": 1.0, "picture_guidance": 1.0}, [(), ("source_codes",)], [0.5, 0.5]),
    ],
)
def test_codes_equal_those_of_whole_forwards(
    mini: Model, settings: dict[str, Any], hidden: list[tuple[str, ...] | None], weights: list[float]
) -> None:
    model = mini.model
    prompt = model.processor.drawing_prompt(request("make it red", 3))
    rows = [model.processor.without(prompt, EVERYTHING if h is None else frozenset(h)) for h in hidden]
    with torch.no_grad():
        expected = codes_of_whole_forwards(model, rows, weights)
        sampler = janiform.sampler_of(model.plan)
        drawn = sampler.draw(model, [prompt], temperature=0.0, **settings)
    assert torch.equal(drawn, expected)


def test_a_picture_does_not_depend_on_the_others_of_its_batch(mini: Model) -> None:
    prompts: list[Any] = [request("make it red", 0), request("a big dog"), request("turn them", 1, 2), "a circle"]
    together = mini.generate(prompts, 2, seed=5)
    for number, prompt in enumerate(prompts):
        alone = mini.generate(prompt, 2, seed=5)
        for first, second in zip(alone, together[2 * number :], strict=False):
            assert np.array_equal(np.asarray(first), np.asarray(second))


def test_pictures_of_a_call_are_those_of_a_conversation(mini: Model) -> None:
    one = mini.generate("make it red", pictures=[picture(0)], seed=1)[0]
    same = mini.generate(request("make it red", 0), seed=1)[0]
    other = mini.generate("make it red", pictures=Image.new("RGB", (64, 64), "black"), seed=1)[0]
    assert np.array_equal(np.asarray(one), np.asarray(same))
    assert not np.array_equal(np.asarray(one), np.asarray(other))
    provenance = janiform.provenance_of(one)
    assert provenance.prompt == "make it red"
    assert provenance.sources == janiform.provenance_of(same).sources != janiform.provenance_of(other).sources
    assert len(provenance.sources) == 1


def test_a_picture_is_drawn_within_a_conversation(mini: Model) -> None:
    turns = [*request("what is it?", 0).turns, Turn("assistant", "a circle"), Turn("user", "draw it in red")]
    drawn = mini.generate(Conversation(turns), seed=1)[0]
    assert janiform.provenance_of(drawn).turns == 3
    history = [*request("a dog").turns, Turn("assistant", Draw(picture(2))), Turn("user", "now in red")]
    assert mini.generate(Conversation(history))[0].size == (64, 64)


def test_a_chat_draws_from_what_it_looked_at(mini: Model) -> None:
    chat = Chat(mini, seed=1)
    chat.look(picture(0))
    drawn = chat.draw("make it red")
    expected = mini.generate("make it red", pictures=picture(0), seed=1)[0]
    assert np.array_equal(np.asarray(drawn), np.asarray(expected))
    assert (chat.waiting, chat.sources) == (1, [])
    anew = chat.draw("a circle")
    assert np.array_equal(np.asarray(anew), np.asarray(mini.generate("a circle", seed=2)[0]))


def test_what_cannot_be_drawn_is_refused(mini: Model) -> None:
    with pytest.raises(UsageError, match="at most 2 pictures; the prompt has 3"):
        mini.generate("mix them", pictures=[picture(0), picture(1), picture(2)])
    with pytest.raises(UsageError, match="the prompt is empty"):
        mini.generate(" ", pictures=picture(0))
    with pytest.raises(UsageError, match="put the pictures into its last turn"):
        mini.generate(request("red", 0), pictures=picture(0))
    with pytest.raises(UsageError, match="nothing to reply to"):
        mini.generate(Conversation((*request("red").turns, Turn("assistant", "done"))))
    with pytest.raises(UsageError, match="draws from a text alone"):
        janiform.load("janus-mini").generate("make it red", pictures=picture(0))
    with pytest.raises(janiform.PictureError):
        mini.generate("make it red", pictures="missing.png")


def test_weights_of_guidance_add_up_to_one(mini: Model) -> None:
    with pytest.raises(UsageError, match="must add up to 1, not to 3"):
        Guidance((GuidanceRow(2.0), GuidanceRow(1.0, EVERYTHING)))
    with pytest.raises(UsageError, match="picture_guidance must not be -1"):
        Guidance.mixed(5.0, -1.0, ["source_codes"])
    assert [row.weight for row in Guidance.mixed(5.0, 5.0, ["source_codes"]).rows] == pytest.approx([5 / 6, 25 / 6, -4])
    assert [row.weight for row in Guidance.nested(3.0, 1.2).rows] == pytest.approx([3.0, -1.8, -0.2])
    assert len(Guidance.plain(1.0)) == 1
    prompts = [mini.model.processor.drawing_prompt("a circle")]
    by_rows = Guidance((GuidanceRow(2.5), GuidanceRow(-1.5, EVERYTHING)))
    drawn = [generate_codes(mini.model, prompts, guidance=guidance, seeds=[3]) for guidance in (2.5, by_rows)]
    assert torch.equal(*drawn)


def test_a_thought_stands_between_the_prompt_and_the_picture(mini: Model) -> None:
    processor, asked = mini.model.processor, request("make it red", 0)
    turns = (*asked.turns, Turn("assistant", "the circle"), Turn("assistant", Draw(picture(9))))
    trained = processor.sequence(Conversation(turns))
    thinking = processor.thinking_prompt(asked)
    drawing = processor.drawing_prompt(asked, thought="the circle")
    assert trained.ids[: len(thinking)] == thinking.ids
    assert trained.ids[: len(drawing)] == drawing.ids
    # It sees what the picture is drawn from, unlike the prompt of an answer.
    assert [span.pathway for span in thinking.spans if span.kind == "look"] == ["understanding", "source_codes"]
    learned = [span for span in trained.spans if span.loss]
    assert [span.kind for span in learned] == ["text", "draw"]
    assert learned[0].ids == (*processor.text.encode(" the circle"), *processor.layout.stop_ids)


def test_a_thought_of_a_plain_prompt_needs_no_pictures(mini: Model) -> None:
    processor = janiform.load("janus-mini").model.processor
    plain = processor.drawing_prompt("a red circle")
    thinking = processor.thinking_prompt("a red circle")
    assert plain.ids[: len(thinking)] == thinking.ids
    assert processor.drawing_prompt("a red circle", thought="") == plain
    with pytest.raises(UsageError, match="the prompt is empty"):
        processor.thinking_prompt(" ")


def test_a_picture_records_the_thought_before_it(mini: Model) -> None:
    source = picture(0)
    first, second = mini.generate("make it red", n=2, pictures=[source], think=True, temperature=0.1)
    thought = janiform.provenance_of(first).thought
    assert thought
    assert thought == janiform.provenance_of(second).thought
    again = mini.generate("make it red", pictures=[source], think=thought, temperature=0.1)[0]
    assert np.array_equal(np.asarray(again), np.asarray(first))
    assert janiform.provenance_of(again) == janiform.provenance_of(first)
    assert janiform.provenance_of(mini.generate("make it red", pictures=[source])[0]).thought == ""
