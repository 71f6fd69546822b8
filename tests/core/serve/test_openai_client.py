"""The API as OpenAI's own client uses it; what comes back equals what the model gives alone."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import openai
import pytest
from janiform import Conversation, Model, Turn, provenance_of
from janiform.inference.drawing import Preview
from PIL import Image
from serving import Serving, picture, png, serving

QUESTION = "how many circles are there?"


@pytest.fixture(scope="module")
def server(mini: Model, small: Model) -> Iterator[Serving]:
    with serving({"janus-mini": mini, "small": small}) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Serving) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
        yield client


def data_url(image: Image.Image, kind: str = "PNG") -> str:
    data = io.BytesIO()
    image.save(data, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data.getvalue()).decode()}"


def user(text: str, *images: Image.Image) -> dict[str, Any]:
    """A message as clients write it: the text first."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    parts += [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in images]
    return {"role": "user", "content": parts}


def pixels(item: Any) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(item.b64_json))))


def test_the_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["janus-mini", "small"]
    assert client.models.retrieve("small").owned_by == "janiform"
    with pytest.raises(openai.NotFoundError) as raised:
        client.models.retrieve("smal")
    assert raised.value.code == "model_not_found"
    assert "did you mean 'small'?" in raised.value.message


def test_an_answer_about_pictures_is_that_of_the_model(client: openai.OpenAI, mini: Model) -> None:
    for images in [(), (picture(1),), (picture(2), picture(3, (64, 64)))]:
        done = client.chat.completions.create(model="janus-mini", messages=[user(QUESTION, *images)])
        (choice,) = done.choices
        assert choice.message.content == mini.ask(list(images), QUESTION)
        assert choice.message.role == "assistant"
        assert choice.finish_reason == "stop"
        prompt = mini.model.processor.sequence(Conversation.asking(QUESTION, *images), answer=False)
        assert done.usage is not None
        assert done.usage.prompt_tokens == len(prompt)
        assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens


def test_a_conversation_has_a_system_text_and_earlier_turns(client: openai.OpenAI, small: Model) -> None:
    image = picture(4)
    messages: Any = [
        {"role": "system", "content": "how many small squares?"},
        user("what colour is the circle?", image),
        {"role": "assistant", "content": "red", "refusal": None, "tool_calls": None},
        {"role": "user", "content": "how many?"},
    ]
    done = client.chat.completions.create(model="small", messages=messages, max_tokens=6)
    turns = [Turn.asking("what colour is the circle?", image), Turn("assistant", "red"), Turn("user", "how many?")]
    assert done.choices[0].message.content == small.reply(Conversation(turns, messages[0]["content"]), max_new_tokens=6)
    without = client.chat.completions.create(model="small", messages=messages[1:], max_tokens=6)
    assert without.choices[0].message.content == small.reply(Conversation(turns), max_new_tokens=6)


def test_choices_are_sampled_with_seeds_that_are_counted_up(client: openai.OpenAI, small: Model) -> None:
    done = client.chat.completions.create(
        model="small", messages=[user("how many?")], n=3, seed=5, temperature=1.5, top_p=0.9, max_completion_tokens=7
    )
    alone = [
        small.ask(None, "how many?", seed=5 + index, temperature=1.5, top_p=0.9, max_new_tokens=7) for index in range(3)
    ]
    assert [choice.message.content for choice in done.choices] == alone
    assert len(set(alone)) > 1
    assert {choice.finish_reason for choice in done.choices} <= {"stop", "length"}
    assert any(choice.finish_reason == "length" for choice in done.choices)


def test_a_stream_gives_the_same_text_in_pieces(client: openai.OpenAI, small: Model) -> None:
    settings: Any = {"model": "small", "messages": [user("how many?")], "n": 2, "seed": 1, "temperature": 1.0}
    whole = client.chat.completions.create(**settings, max_tokens=12)
    stream = client.chat.completions.create(
        **settings, max_tokens=12, stream=True, stream_options={"include_usage": True}
    )
    texts, reasons, usage, pieces = ["", ""], {}, None, 0
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            pieces += bool(choice.delta.content)
            if choice.finish_reason:
                reasons[choice.index] = choice.finish_reason
    assert texts == [choice.message.content for choice in whole.choices]
    assert reasons == {choice.index: choice.finish_reason for choice in whole.choices}
    assert usage is not None
    assert whole.usage is not None
    without = {"prompt_tokens_details"}  # how much of a prompt was read before depends on the order
    assert usage.model_dump(exclude=without) == whole.usage.model_dump(exclude=without)
    assert pieces > 2


def test_a_conversation_that_goes_on_is_not_read_again(client: openai.OpenAI, mini: Model) -> None:
    image, asked = picture(9), "how many objects are red?"
    messages: Any = [user(QUESTION, image)]
    first = client.chat.completions.create(model="janus-mini", messages=messages)
    answer = first.choices[0].message.content or ""
    messages += [{"role": "assistant", "content": answer}, user(asked)]
    second = client.chat.completions.create(model="janus-mini", messages=messages)
    turns = [Turn.asking(QUESTION, image), Turn("assistant", answer), Turn("user", asked)]
    assert second.choices[0].message.content == mini.reply(Conversation(turns))
    assert first.usage is not None
    assert second.usage is not None
    details = second.usage.prompt_tokens_details
    assert details is not None
    assert details.cached_tokens is not None
    assert first.usage.prompt_tokens - 4 <= details.cached_tokens < second.usage.prompt_tokens


def test_an_answer_ends_before_a_stop_text(client: openai.OpenAI, mini: Model) -> None:
    image = picture(7)
    full = mini.ask(image, QUESTION)
    assert len(full) > 1
    stop = full[1:3]
    for given in (stop, [stop, "never"]):
        done = client.chat.completions.create(model="janus-mini", messages=[user(QUESTION, image)], stop=given)
        assert done.choices[0].message.content == mini.ask(image, QUESTION, stop=stop) == full[: full.find(stop)]
        assert done.choices[0].finish_reason == "stop"


def test_an_answer_that_ends_at_its_limit_is_told_from_one_that_is_cut_off(client: openai.OpenAI) -> None:
    settings: Any = {"model": "janus-mini", "messages": [user(QUESTION, picture(7))]}
    whole = client.chat.completions.create(**settings)
    assert whole.usage is not None
    tokens = whole.usage.completion_tokens  # the stop token is one of them
    for limit, reason in ((tokens, "stop"), (tokens - 1, "length")):
        done = client.chat.completions.create(**settings, max_tokens=limit)
        assert done.usage is not None
        assert (done.choices[0].finish_reason, done.usage.completion_tokens) == (reason, limit)


def test_pictures_are_those_of_the_model_and_say_how_they_were_drawn(client: openai.OpenAI, mini: Model) -> None:
    done = client.images.generate(
        model="janus-mini", prompt="a red circle", n=2, size="auto", extra_body={"seed": 3, "guidance": 2.0}
    )
    assert done.data is not None
    assert done.usage is not None
    assert done.size == "64x64"
    for index, item in enumerate(done.data):
        (alone,) = mini.generate("a red circle", seed=3 + index, guidance=2.0)
        assert (pixels(item) == np.asarray(alone)).all()
        assert item.b64_json is not None
        record = provenance_of(base64.b64decode(item.b64_json))
        assert (record.prompt, record.seed, record.settings["guidance"]) == ("a red circle", 3 + index, 2.0)
    assert done.usage.output_tokens == 2 * mini.model.plan.pathways["generation"].tokens


def test_previews_of_a_picture_come_while_it_is_drawn(client: openai.OpenAI, mini: Model) -> None:
    stream = client.images.generate(
        model="janus-mini", prompt="a red circle", stream=True, partial_images=2, extra_body={"seed": 3}
    )
    events: list[Any] = list(stream)
    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert [event.partial_image_index for event in events[:2]] == [0, 1]
    shown = [pixels(event) for event in events]
    (alone,) = mini.generate("a red circle", seed=3)
    assert (shown[-1] == np.asarray(alone)).all()
    unfinished: dict[int, Image.Image] = {}

    def keep(preview: Preview) -> None:
        unfinished[preview.done] = preview.pictures[0]

    mini.generate("a red circle", seed=3, on_preview=keep, preview_every=1)
    for event, done in zip(shown[:2], (22, 43), strict=True):  # of 64 codes, first beyond one and two thirds
        assert (event == np.asarray(unfinished[done])).all()


def test_a_picture_is_drawn_from_others(client: openai.OpenAI, small: Model) -> None:
    sources = [picture(1), picture(2)]
    for given in (sources[:1], sources):
        files: Any = [("in.png", png(one), "image/png") for one in given]
        done = client.images.edit(
            model="small", image=files[0] if len(files) == 1 else files, prompt="two small squares", n=2,
            extra_body={"seed": 8, "temperature": 0.7},
        )  # fmt: skip
        assert done.data is not None
        for index, item in enumerate(done.data):
            (alone,) = small.generate("two small squares", pictures=given, seed=8 + index, temperature=0.7)
            assert (pixels(item) == np.asarray(alone)).all()
    with pytest.raises(openai.BadRequestError, match="draws from a text alone"):
        client.images.edit(model="janus-mini", image=("in.png", png(sources[0])), prompt="a circle")


def test_an_edit_may_be_streamed(client: openai.OpenAI) -> None:
    stream = client.images.edit(
        model="small", image=png(picture(1)), prompt="a square", stream=True, partial_images=1, extra_body={"seed": 1}
    )
    assert [event.type for event in stream] == ["image_edit.partial_image", "image_edit.completed"]


REFUSED = [
    ({"temperature": -1}, "temperature", "'temperature': input should be greater than or equal to 0"),
    ({"temperature": float("nan")}, "temperature", "'temperature': input should be a finite number"),
    ({"max_tokens": 4000}, None, "do not fit into the model's context of 512"),
    ({"n": 1000}, "n", "'n' may be at most 16"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "'tools' other than"),
    ({"temprature": 1}, "temprature", "did you mean 'temperature'?"),
    ({"max_tokens": 3, "max_completion_tokens": 4}, "max_tokens", "give one of them"),
    ({"stream_options": {"include_usage": True}}, "stream_options", "needs 'stream'"),
    ({"stop": ""}, None, "a stop string must be a text that is not empty"),
    ({"seed": 2**63 - 1, "n": 2}, None, "a seed must be a whole number"),
    ({"messages": []}, "messages", "at least 1 item"),
    ({"messages": [{"role": "user", "content": ""}]}, None, "the last turn is empty"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "'messages[0].role'"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, None, "nothing to reply to"),
    ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "messages[0].content[0].type", "'image_url'"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]", "the field 'text'"),
    ({"messages": [{"role": "user", "content": "\ud800"}]}, None, "Unicode"),
    ({"messages": [{"role": "user", "content": "many words " * 500}]}, None, "the model's context"),
]


@pytest.mark.parametrize(("fields", "param", "sentence"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_wrong_request_is_refused_with_a_sentence(server: Serving, fields: Any, param: Any, sentence: str) -> None:
    from serving import chat, posted

    status, answer = posted(server.port, chat(**{"model": "janus-mini", **fields}))
    assert status == 400
    assert sentence in answer["error"]["message"]
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["param"] == param


def test_a_prompt_that_is_too_long_has_openais_code(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="janus-mini", messages=[user("how many? " * 90)], max_tokens=400)
    assert raised.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"size": "1024x1024"}, "draws pictures of 64x64 pixels, not 1024x1024"),
        ({"response_format": "url"}, "'response_format' other than 'b64_json'"),
        ({"extra_body": {"guidence": 3}}, "did you mean 'guidance'?"),
        ({"extra_body": {"guidance": "much"}}, "guidance"),
        ({"partial_images": 2}, "'partial_images' needs 'stream'"),
        ({"prompt": " "}, "the prompt is empty"),
        ({"prompt": "a circle " * 600}, "do not fit into the model's context"),
    ],
)
def test_a_wrong_request_for_pictures_is_refused(client: openai.OpenAI, fields: Any, sentence: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.images.generate(**{"model": "janus-mini", "prompt": "a red circle", **fields})
    assert sentence in raised.value.message


@pytest.mark.parametrize("url", ["https://example.com/a.png", "file:///etc/hostname", "/etc/hostname", "data:,x"])
def test_a_request_names_no_address_and_no_file(client: openai.OpenAI, url: str) -> None:
    message: Any = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
    with pytest.raises(openai.BadRequestError, match="opens no addresses and no files"):
        client.chat.completions.create(model="janus-mini", messages=[message])


def test_many_clients_at_once_get_what_each_gets_alone(server: Serving, mini: Model, small: Model) -> None:
    async def ask(client: openai.AsyncOpenAI, number: int) -> Any:
        if number % 5 == 4:
            return (await client.images.generate(model="small", prompt="a square", extra_body={"seed": number})).data[0]  # type: ignore[index]
        settings: Any = {"model": "small", "temperature": 1.0, "seed": number, "max_tokens": 4}
        messages: Any = [user("how many?", picture(number))]
        if number % 2:
            return (await client.chat.completions.create(messages=messages, **settings)).choices[0].message.content
        stream: Any = await client.chat.completions.create(messages=messages, stream=True, **settings)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def ask_all() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(30)))

    for number, answer in enumerate(asyncio.run(ask_all())):
        if number % 5 == 4:
            assert (pixels(answer) == np.asarray(small.generate("a square", seed=number)[0])).all()
        else:
            alone = small.ask(picture(number), "how many?", temperature=1.0, seed=number, max_new_tokens=4)
            assert answer == alone


def test_metrics_count_what_was_served(server: Serving, client: openai.OpenAI) -> None:
    def value(name: str) -> float:
        found = server.service.metrics.registry.get_sample_value(name, {"model": "janus-mini"})
        assert found is not None
        return found

    before = value("janiform_pictures_total"), value("janiform_tokens_total"), value("janiform_prompt_tokens_total")
    drawn = client.images.generate(model="janus-mini", prompt="a circle", n=2)
    asked = client.chat.completions.create(model="janus-mini", messages=[user(QUESTION)])
    assert drawn.usage is not None
    assert asked.usage is not None
    assert value("janiform_pictures_total") == before[0] + 2
    assert value("janiform_tokens_total") == before[1] + asked.usage.completion_tokens
    read = drawn.usage.input_tokens + asked.usage.prompt_tokens
    assert value("janiform_prompt_tokens_total") == before[2] + read
    assert value("janiform_queue_requests") == 0
    assert value("janiform_queue_limit") == 64
    assert value("janiform_step_rows_total") >= 3
