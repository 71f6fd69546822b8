"""Emu3's layout gives the ids of its release, and those of transformers' processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import transformers
from attrs import evolve
from janiform import ComponentError, Conversation, Draw, Look, Sequence, Turn, registry
from janiform_plugins.layouts.config import Emu3LayoutConfig
from janiform_plugins.layouts.emu3 import Emu3Layout
from PIL import Image

SPECIAL = {
    "<|endoftext|>": 151_643,
    "<image>": 151_646,
    "<|extra_200|>": 151_846,
    "<|extra_201|>": 151_847,
    "<|extra_203|>": 151_849,
    "<|extra_204|>": 151_850,
    "<|image token|>": 151_851,
    "<|image start|>": 151_852,
    "<|image end|>": 151_853,
}
PICTURE = np.zeros((16, 24, 3), dtype=np.uint8)


def ids(text: str) -> list[int]:
    return [ord(letter) for letter in text]


OPENED = [151_852, *ids("2*3"), 151_851]
LOOKED = [*OPENED, *[151_646] * 8, 151_847, 151_853]
DRAWN = [151_852, *ids("90*90"), 151_851, *[151_646] * 8100, 151_847, 151_853]
SYSTEM = "You are a helpful assistant. "


def learned(sequence: Sequence) -> list[int]:
    return [id for span in sequence.spans if span.loss for id in span.ids]


@pytest.fixture(scope="module")
def text(characters: Any) -> Any:
    return characters(SPECIAL, 0, "")


@pytest.fixture(scope="module")
def layout(text: Any, pathway_of: Any) -> Emu3Layout:
    """Rows of pictures to look at end with a code that is given."""
    pathways = {"understanding": pathway_of("look", 2, 3, ends=True), "generation": pathway_of("draw", 90, 90)}
    return Emu3Layout(Emu3LayoutConfig(), text, pathways)


@pytest.fixture(scope="module")
def of_emu3_gen(layout: Emu3Layout) -> Emu3Layout:
    settings = registry().find("layout", "emu3").presets["gen"]
    return Emu3Layout(Emu3LayoutConfig(**settings), layout.text, layout.pathways)


def test_a_prompt_for_a_picture_states_its_size(layout: Emu3Layout) -> None:
    prompt = layout.drawing_prompt(" a cat ")
    assert prompt.ids == [151_849, *ids("a cat"), 151_852, *ids("90*90"), 151_851]


def test_a_drawn_picture_is_learned_between_its_marks(layout: Emu3Layout) -> None:
    sequence = layout.render(Conversation.drawing("a cat", PICTURE))
    assert sequence.ids == [151_849, *ids("a cat"), *DRAWN, 151_850]
    assert [span.kind for span in sequence.spans if span.loss] == ["draw"]


def test_the_second_row_of_guidance_is_the_negative_prompt(of_emu3_gen: Emu3Layout) -> None:
    negative = (
        "lowres, bad anatomy, bad hands, text, error, missing fingers, extra digit, fewer digits, cropped, "
        "worst quality, low quality, normal quality, jpeg artifacts, signature, watermark, username, blurry."
    )
    prompt = of_emu3_gen.drawing_prompt("a cat")
    begins = [151_852, *ids("90*90"), 151_851]
    assert prompt.ids == [151_849, *ids("a cat masterpiece, film grained, best quality."), *begins]
    assert of_emu3_gen.unconditional(prompt).ids == [151_849, *ids(negative), *begins]


def test_in_training_nothing_is_left_of_a_prompt(of_emu3_gen: Emu3Layout, layout: Emu3Layout) -> None:
    sample = of_emu3_gen.render(Conversation.drawing("a cat", PICTURE))
    assert sample == layout.render(Conversation.drawing("a cat", PICTURE))
    blank = of_emu3_gen.unconditional(sample)
    assert blank.ids == [151_849, *DRAWN, 151_850]
    assert [span for span in blank.spans if span.kind == "draw"] == [span for span in sample.spans if span.loss]
    assert layout.unconditional(layout.drawing_prompt("a cat")).ids == [151_849, 151_852, *ids("90*90"), 151_851]


def test_a_row_of_guidance_without_text_is_the_unconditional_one(of_emu3_gen: Emu3Layout) -> None:
    prompt = of_emu3_gen.drawing_prompt("a cat")
    assert of_emu3_gen.without(prompt, {"text"}) == of_emu3_gen.unconditional(prompt)
    assert of_emu3_gen.without(prompt, {"understanding"}) == prompt


def test_the_ends_of_rows_are_no_columns(layout: Emu3Layout, pathway_of: Any) -> None:
    ended = Emu3Layout(layout.config, layout.text, {"generation": pathway_of("draw", 90, 90, ends=True)})
    assert ended.drawing_prompt("a cat") == layout.drawing_prompt("a cat")
    drawn = [span for span in ended.render(Conversation.drawing("a cat", PICTURE)).spans if span.kind == "draw"]
    assert [span.length for span in drawn] == [90 * 91]


def test_a_question_about_a_picture(layout: Emu3Layout) -> None:
    question = Conversation.asking("Please describe the image", PICTURE, answer="a cat")
    prompt = [151_849, *ids(SYSTEM + "USER: "), *LOOKED, *ids("Please describe the image. ASSISTANT:")]
    assert layout.render(question, answer=False).ids == prompt
    sequence = layout.render(question)
    assert sequence.ids == [*prompt, *ids(" a cat"), 151_850]
    assert learned(sequence) == [*ids(" a cat"), 151_850]


def test_further_questions_and_other_system_texts(layout: Emu3Layout) -> None:
    turns = [Turn("user", "one?"), Turn("assistant", "yes"), Turn("user", "two?")]
    expected = [151_849, *ids("USER: one?. ASSISTANT: yes"), 151_850, *ids("USER: two?. ASSISTANT:")]
    assert layout.render(Conversation(turns, ""), answer=False).ids == expected
    instructed = layout.render(Conversation(turns, "Be brief."), answer=False)
    assert instructed.ids == [151_849, *ids("Be brief. "), *expected[1:]]


def test_a_question_after_a_drawn_picture_has_roles(layout: Emu3Layout) -> None:
    turns = [Turn("user", "a cat"), Turn("assistant", Draw(PICTURE)), Turn("user", "what is it")]
    drawn = [*ids(SYSTEM + "USER: a cat. ASSISTANT:"), *DRAWN, 151_850]
    prompt = [151_849, *drawn, *ids("USER: what is it. ASSISTANT:")]
    assert layout.render(Conversation(turns), answer=False).ids == prompt
    assert layout.render(Conversation([*turns, Turn("assistant", "a cat")])).ids[: len(prompt)] == prompt


def test_texts_and_pictures_without_roles(layout: Emu3Layout) -> None:
    turns = (Turn("user", ("one", Look(PICTURE), "\n two")), Turn("assistant", ("here: ", Draw(PICTURE))))
    sequence = layout.render(Conversation(turns))
    assert sequence.ids == [151_849, *ids("one"), *LOOKED, *ids("two\nhere:"), *DRAWN, 151_850]
    assert learned(sequence) == [*ids("here:"), *[151_646] * 8100]
    document = layout.render(Conversation.document(" a cat "))
    assert document.ids == [151_849, *ids("a cat"), 151_850]
    assert learned(document) == document.ids[1:]


def test_answers_end_and_rows_are_padded(layout: Emu3Layout) -> None:
    assert layout.stop_ids == (151_850,)
    assert layout.pad_id == 151_643


def test_pictures_without_rows_are_refused(layout: Emu3Layout, pathway_of: Any) -> None:
    shape = pathway_of("look", 2, 3)
    resampled = evolve(shape, drawn=None, features=evolve(shape.features, grid=None))
    with pytest.raises(ComponentError, match="rows and columns of every picture, but those of 'seeing' have none"):
        Emu3Layout(Emu3LayoutConfig(), layout.text, {"seeing": resampled})


def test_prompts_are_those_of_transformers(layout: Emu3Layout, tokenizer_of: Any) -> None:
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer_of(layout.text),
        bos_token="<|extra_203|>",
        eos_token="<|extra_204|>",
        pad_token="<|endoftext|>",
        extra_special_tokens={
            "image_token": "<image>",
            "boi_token": "<|image start|>",
            "eoi_token": "<|image end|>",
            "image_wrapper_token": "<|image token|>",
            "eof_token": "<|extra_201|>",
        },
    )
    pictures = transformers.Emu3ImageProcessor(min_pixels=64, max_pixels=4096)
    processor = transformers.Emu3Processor(pictures, tokenizer)
    drawn = processor(text="a cat", return_for_image_generation=True)
    assert layout.drawing_prompt("a cat").ids == list(drawn["input_ids"][0])
    asked = processor(
        images=[Image.fromarray(PICTURE)], text=f"{SYSTEM}USER: <image>Please describe the image. ASSISTANT:"
    )
    question = Conversation.asking("Please describe the image", PICTURE)
    assert layout.render(question, answer=False).ids == list(asked["input_ids"][0])
