"""Another kernel changes nothing about a model: neither what it loses nor what it draws and answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import AttentionRequest, Conversation, Model, UsageError, load, open_model, read_recipe_text
from janiform.attention.attend import attention_for
from janiform.cli import main
from janiform_plugins.objectives.next_token import next_token_losses
from PIL import Image

PICTURE = Image.new("RGB", (16, 16), (200, 30, 30))
TALK = [
    Conversation.drawing("a large red circle", PICTURE),
    Conversation.asking("what is above?", PICTURE, answer="a small blue square"),
    Conversation.document("a circle is above the square"),
]
FLEX = AttentionRequest(device="cpu", dtype="float32", cached=True)


@pytest.fixture
def with_flex(tiny_model: Any) -> Any:
    with tiny_model.attending(attention_for("flex", FLEX)):
        yield tiny_model


@torch.no_grad()
@pytest.mark.parametrize("packed", [False, True])
def test_losses_are_those_of_the_default(with_flex: Any, packed: bool) -> None:
    sequences = [with_flex.processor.sequence(talk) for talk in TALK]
    batch = with_flex.processor.pack(sequences, 128) if packed else with_flex.processor.collate(sequences, "right")
    given = next_token_losses(with_flex, batch)
    with with_flex.attending(None):
        expected = next_token_losses(with_flex, batch)
    assert given.keys() == expected.keys()
    for name, loss in given.items():
        torch.testing.assert_close(loss.total, expected[name].total, rtol=1e-5, atol=1e-5)


def test_pictures_and_answers_are_those_of_the_default(with_flex: Any) -> None:
    def made() -> tuple[list[bytes], list[str]]:
        model = Model(with_flex)
        pictures = model.generate(["a red circle", "a small blue square is above it"], guidance=2.0, seed=3)
        answers = model.ask_all([(PICTURE, "what?"), (None, "what is above the circle?")], max_new_tokens=4)
        return [picture.tobytes() for picture in pictures], answers

    given = made()
    with with_flex.attending(None):
        assert made() == given


def test_prompts_take_the_kernel_and_pictures_say_which(with_flex: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    kernel = with_flex.attention.kernel
    monkeypatch.setattr(
        with_flex.attention, "kernel", lambda q, k, v, mask: calls.append(q.shape[2]) or kernel(q, k, v, mask)
    )
    model = Model(with_flex)
    picture = model.generate("a red circle")[0]
    assert max(calls) > 1
    assert min(calls) == 1
    assert json.loads(picture.info["janiform"])["attention"] == "flex@1"


def test_a_model_is_opened_with_a_kernel(official: Path) -> None:
    assert open_model(official, attention="flex").attention.name == "flex@1"
    assert load(official).attention.name == "sdpa@1"
    assert "no other" not in load(official, attention="auto").attention.reason
    with pytest.raises(UsageError, match=r"'varlen' cannot serve inference on cpu in float32, heads of width"):
        load(official, attention="varlen")


def test_the_command_line_says_what_auto_took(official: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", str(official), "hello", "--max-new-tokens", "1", "--attention", "auto"]) == 0
    assert "attention: sdpa@1, for inference on cpu in float32" in capsys.readouterr().err
    assert main(["ask", str(official), "hello", "--max-new-tokens", "1", "--attention", "fles"]) == 1
    assert "did you mean 'flex'?" in capsys.readouterr().err


HEAD = 'recipe = 1\nextends = "janus-mini"\n[training]\n'


def test_a_recipe_names_the_kernel_and_its_version() -> None:
    assert read_recipe_text(HEAD + 'attention = "flex"').training.attention == "flex@1"
    assert read_recipe_text(HEAD + 'attention = "auto"').training.attention == "auto"
    assert read_recipe_text(HEAD).training.attention == "sdpa@1"
    with pytest.raises(
        Exception, match=r"<text>:4: training.attention: no kernel is called 'flx'.*did you mean 'flex'"
    ):
        read_recipe_text(HEAD + 'attention = "flx"')
