"""``janiform chat``, driven by lines as a person or a pipe gives them."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import janiform
import janiform.inference.chat
import pytest
from janiform import provenance_of
from janiform.cli import main
from janiform.storage.save import save_model
from PIL import Image

Capture = pytest.CaptureFixture[str]
Talk = Callable[..., tuple[list[str], str]]


@pytest.fixture(scope="module")
def folder(tiny_model: janiform.UnifiedModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_model(tiny_model, tmp_path_factory.mktemp("models") / "tiny"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def talk(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Talk:
    """``talk("line", "/draw x")`` says these lines; gives the lines of stdout, and stderr."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (9, 7), "red").save("a.png")

    def say(*lines: str, terminal: bool = False, options: tuple[str, ...] = (), code: int = 0) -> tuple[list[str], str]:
        text = "\n".join(lines)
        monkeypatch.setattr(sys, "stdin", Terminal(text) if terminal else io.StringIO(text))
        assert main(["chat", folder, "--max-new-tokens", "4", *options]) == code
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert "bug" not in err
        return out.splitlines(), err

    return say


def test_lines_are_answered_and_remembered(talk: Talk, folder: str, capsys: Capture) -> None:
    (looked, answer), err = talk("a.png is there a circle?")
    assert looked == "looking at a.png (9×7)"
    assert main(["ask", folder, "a.png", "is there a circle?", "--max-new-tokens", "4"]) == 0
    assert answer == capsys.readouterr().out.rstrip("\n")
    assert talk("/look a.png", "", "is there a circle?")[0] == [looked, answer]
    out, err = talk("red?", "a.png is there a circle?", "/forget", "a.png is there a circle?")
    assert out[-3:] == ["new conversation", looked, answer]
    assert err == ""


def test_a_drawing_is_saved_named_and_seen(talk: Talk) -> None:
    out, _ = talk("/draw a red circle", "what is it?", "/draw a red circle", options=("--seed", "3", "--guidance", "2"))
    paths = [Path(line.removeprefix("drawn: ")) for line in out if line.startswith("drawn: ")]
    assert paths == [Path("pictures/a-red-circle-001.png"), Path("pictures/a-red-circle-002.png")]
    assert [(provenance_of(path).seed, provenance_of(path).settings["guidance"]) for path in paths] == [(3, 2), (4, 2)]
    seen, _ = talk(f"{paths[0]} what is it?")
    assert out[1] == seen[1], "the model sees what it drew"


def test_another_sampler_draws(talk: Talk) -> None:
    (line,), _ = talk("/draw a circle", options=("--sampler", "jacobi"))
    assert provenance_of(line.removeprefix("drawn: ")).sampler == "jacobi@1"
    _, err = talk(options=("--sampler", "flow"), code=1)
    assert "cannot draw with the sampler 'flow'" in err


def test_help_lists_every_command_and_quit_ends(talk: Talk) -> None:
    out, err = talk("/help", "/quit", "red?")
    assert [line.split()[0] for line in out] == ["/look", "/draw", "/forget", "/help", "/quit"]
    assert err == ""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/lok a.png", "there is no command '/lok'\n  did you mean '/look'?"),
        ("/xyzzy", "there is no command '/xyzzy'"),
        ("/look", "/look needs the path of a picture"),
        ("/look none.png", "there is no file 'none.png'"),
        ("/look https://a.b/c.png", "is a URL, and nothing is downloaded"),
        ("/look notes.txt", "is not a picture that can be read"),
        ("/none/a.png", "there is no picture '/none/a.png'"),
        ("none.png", "there is no picture 'none.png'"),
        ("https://a.b/c.png what?", "is a URL, and nothing is downloaded"),
        ("/draw", "the prompt is empty"),
        ("/draw " + "red " * 300, "shorten it"),
        ("a \udc80 b", "not valid Unicode"),
        ("red " * 300, "has no room for an answer\n  shorten the text, or start a new conversation with /forget"),
        ("/look a.png a.png", ""),
    ],
)
def test_a_line_that_fails_is_a_sentence_and_the_conversation_goes_on(talk: Talk, line: str, said: str) -> None:
    Path("notes.txt").write_text("no picture")
    plain, _ = talk("red?", "and blue?")
    out, err = talk("red?", line, "/help", "and blue?")
    assert said in err
    assert "context" in err or "a.png a.png" in line or out[-1] == plain[-1]


def test_a_full_context_is_said_with_the_way_out(talk: Talk) -> None:
    _, err = talk("red " * 300, *[f"{number} red circles" for number in range(60)])
    assert "no room for an answer\n  shorten the text\n" in err
    assert "tokens are left; /forget starts a new conversation" in err
    assert "has no room for an answer\n  shorten the text, or start a new conversation with /forget" in err


def test_a_damaged_picture_in_a_line_leaves_the_others_unseen(talk: Talk) -> None:
    Path("b.png").write_bytes(Path("a.png").read_bytes()[:40])
    out, err = talk("a.png b.png are they alike?", "red?")
    assert "b.png' is" in err
    assert out == talk("red?")[0]


def test_names_of_no_picture_are_said(talk: Talk) -> None:
    out, err = talk("is cat.png red?")
    assert "no picture 'cat.png'; the line is sent as it is" in err
    assert len(out) == 1


def test_ctrl_c_stops_the_answer_and_not_the_program(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, _ = talk("red?")

    whole = janiform.inference.chat._stream
    stops = iter([True, False, True])

    def interrupted(*arguments: Any, **settings: Any) -> Iterator[str]:
        if next(stops):
            yield "some"
            raise KeyboardInterrupt
        yield from whole(*arguments, **settings)

    monkeypatch.setattr("janiform.inference.chat._stream", interrupted)
    out, err = talk("blue?", "/forget", "red?", terminal=True)
    assert "stopped" in err
    assert "looks at pictures and draws" in err
    assert out[0] == "> some"
    assert out[-2].endswith(plain[0])
    talk("blue?", "red?", code=130)


def test_what_a_model_says_cannot_steer_the_terminal(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("janiform.inference.chat._stream", lambda *_, **__: iter(["a\x1b[2J", "b\r\x07é\n\tc"]))
    assert talk("red?")[0] == ["a[2Jbé", "\tc"]
    monkeypatch.setattr("janiform.inference.chat._stream", lambda *_, **__: iter([]))
    assert "the answer is empty" in talk("red?")[1]


def test_a_full_disk_does_not_end_the_conversation(talk: Talk) -> None:
    Path("pictures").write_text("in the way")
    out, err = talk("/draw a red circle", "red?")
    assert "--out must be a folder" in err
    assert len(out) == 1


def test_models_without_a_pathway_say_so(
    make_plan: Any, fitted: Any, talk: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    import attrs
    from janiform.compose import compose

    plan = make_plan()
    for mode, lines, said in (
        ("draw", ["/look a.png", "a.png red?", "red?"], "has no pathway that looks at pictures"),
        ("look", ["/draw a red circle", "red?"], "has no pathway that draws"),
    ):
        pathways = {name: way for name, way in plan.recipe.pathways.items() if way.mode == mode}
        model = fitted(compose(attrs.evolve(plan.recipe, pathways=pathways)))
        folder = str(save_model(model, tmp_path / f"only-{mode}"))
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
        assert main(["chat", folder, "--max-new-tokens", "4"]) == 0
        out, err = capsys.readouterr()
        assert err.count(said) == len(lines) - 1
        assert out.strip()
