"""``janiform chat``: a conversation in the terminal, or over a pipe."""

from __future__ import annotations

import contextlib
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import JaniformError, Problem, UsageError, nearest
from .options import load_options, opened, sampler_option
from .output import echo
from .outputs import ready_folder, stem_of, write_new
from .paths import first_word, parse_line, picture_paths
from .progress import progress_shown
from .report import note, report, report_system, say

if TYPE_CHECKING:
    from ..inference.chat import Chat

HELP = {
    "/look PICTURE …": "show the model a picture; a path within a line does the same",
    "/draw PROMPT": "draw a picture and save it, from those of /look if the model can; it sees it with your next line",
    "/forget": "start a new conversation",
    "/help": "show this list",
    "/quit": "leave; so does Ctrl-D. Ctrl-C stops an answer",
}
_COMMANDS = [usage.split()[0] for usage in HELP]


@click.command()
@click.argument("model")
@click.option(
    "--max-new-tokens", type=click.IntRange(1), default=256, show_default=True, help="Most tokens of an answer."
)
@click.option(
    "--temperature", type=float, default=0.0, show_default=True, help="Sampling temperature of answers; 0 is greedy."
)
@click.option("--guidance", type=float, help="Guidance scale of pictures; 1 disables it. [default: the recipe's]")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Random seed of the first picture and answer, counted up by one.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("pictures"),
    show_default=True,
    help="Folder for drawn pictures.",
)
@sampler_option
@load_options
def command(
    model: str,
    max_new_tokens: int,
    temperature: float,
    guidance: float | None,
    seed: int,
    out: Path,
    **load_settings: Any,
) -> None:
    """Chat with a model: every line is answered, and earlier turns are remembered.

    MODEL is the name of a recipe with shipped weights, or the folder of a model or a finished run. /help lists the
    commands of the conversation: /look, /draw, /forget, /quit. Lines may also come from a pipe.
    """
    from ..inference.chat import Chat

    loaded = opened(model, **load_settings)
    chat = Chat(loaded, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
    session = _Session(chat, out, {} if guidance is None else {"guidance": guidance})
    session.run()


class _Session:
    """Reads lines and acts on them. An error in a line is printed, and the conversation continues."""

    def __init__(self, chat: Chat, out: Path, drawing: dict[str, Any]) -> None:
        self.chat = chat
        self.out = out
        self.drawing = drawing
        self.interactive = sys.stdin.isatty()

    def run(self) -> None:
        if self.interactive:
            with contextlib.suppress(ImportError):  # line editing and history, which not every system has
                import readline  # noqa: F401
            note(f"{self.chat.model.name} {self._abilities()}; /help lists the commands")
        # Bytes that are not valid text are refused with the line, and do not end the reading.
        if hasattr(sys.stdin, "reconfigure"):
            sys.stdin.reconfigure(errors="surrogateescape")
        going = True
        while going:
            try:
                line = self._read()
                if line is None:
                    break
                going = self._follow(line.strip())
            except KeyboardInterrupt:
                if not self.interactive:
                    raise
                echo()
                note("stopped; /quit or Ctrl-D leaves")
            except JaniformError as error:
                report(error)
            except BrokenPipeError:
                raise
            except OSError as error:
                report_system(error)

    def _read(self) -> str | None:
        if not self.interactive:
            return sys.stdin.readline() or None
        try:
            return input("> ")
        except EOFError:
            echo()
            return None

    def _abilities(self) -> str:
        abilities = [does for mode, does in (("look", "looks at pictures"), ("draw", "draws")) if self.chat.can(mode)]
        return " and ".join(abilities) or "neither looks at pictures nor draws"

    def _follow(self, line: str) -> bool:
        """Act on a line; returns whether the conversation continues."""
        word = first_word(line)
        rest = line[len(word) :].strip()
        if not line.startswith("/") or "/" in word[1:] or "." in word:  # the last two are paths, from the root
            if line:
                self._say(line)
        elif word == "/look":
            self._look(rest)
        elif word == "/draw":
            self._draw(rest)
        elif word == "/forget":
            self.chat.forget()
            echo("new conversation")
        elif word == "/help":
            width = max(map(len, HELP))
            echo("\n".join(f"{usage:<{width}}  {what}" for usage, what in HELP.items()))
        elif word == "/quit":
            return False
        else:
            hint = nearest(word, _COMMANDS)
            raise UsageError(Problem(f"there is no command '{word}'", hint=hint or "/help lists the commands"))
        return True

    def _say(self, typed: str) -> None:
        from ..inference.chat import ContextError

        line = parse_line(typed)
        self._show(line.pictures)
        for name in line.unknown:
            note(f"there is no picture '{name}'; the line is sent as it is")
        if not line.text:
            return
        try:
            answer = self.chat.say(line.text)
        except ContextError as error:
            begun = self.chat.conversation or self.chat.waiting
            hint = "shorten the text" + (", or start a new conversation with /forget" if begun else "")
            say(error.problems[0].message, hint)
            return
        shown = ""
        for piece in answer:
            piece = _without_controls(piece)
            shown += piece
            echo(piece, end="")
        echo()
        if not shown:
            note("the answer is empty; ask in other words")
        elif self.chat.left < self.chat.context // 8:
            left = f"about {self.chat.left} of {self.chat.context} tokens are left" if self.chat.left else "it is full"
            note(f"the model's context: {left}; /forget starts a new conversation")

    def _look(self, typed: str) -> None:
        if not typed:
            raise UsageError(Problem("/look needs the path of a picture", hint="/look picture.png"))
        self._show(picture_paths(typed))

    def _show(self, paths: Sequence[str]) -> None:
        """Show all of the pictures, or none where one cannot be read, so that the line can be fixed and sent again."""
        from ..pictures.read import read_picture

        for path, picture in [(path, read_picture(path)) for path in paths]:
            self.chat.look(picture)
            echo(f"looking at {path} ({picture.width}×{picture.height})")

    def _draw(self, prompt: str) -> None:
        from ..pictures.provenance import png_bytes

        ready_folder(self.out)
        with progress_shown() as progress:
            picture = self.chat.draw(prompt, on_step=lambda done, of: progress("drawing", done, of), **self.drawing)
        echo(f"drawn: {write_new(self.out, stem_of(prompt), 'png', png_bytes(picture))}")


def _without_controls(text: str) -> str:
    """A model's text without control characters, which are no part of an answer."""
    return "".join(character for character in text if character in "\n\t" or unicodedata.category(character) != "Cc")
