"""``janiform chat``: a conversation in the terminal, or with a program that writes lines."""

from __future__ import annotations

import contextlib
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import JaniformError, Problem, UsageError, nearest
from .options import load_options, opened
from .outputs import ready_folder, stem_of, write_new
from .paths import first_word, picture_paths, take_apart
from .progress import progress_shown
from .report import note, report, report_system, say

if TYPE_CHECKING:
    from ..inference.chat import Chat

HELP = {
    "/look PICTURE …": "show the model a picture; the path of one in a line does the same",
    "/draw PROMPT": "draw a picture and save it; the model sees it with your next line",
    "/forget": "start afresh",
    "/help": "this list",
    "/quit": "leave; so does Ctrl-D. Ctrl-C stops an answer",
}
_COMMANDS = [usage.split()[0] for usage in HELP]


@click.command()
@click.argument("model")
@click.option(
    "--max-new-tokens", type=click.IntRange(1), default=256, show_default=True, help="The longest answer there is."
)
@click.option("--temperature", type=float, default=0.0, show_default=True, help="Of answers; 0 gives the likeliest.")
@click.option("--guidance", type=float, help="Of pictures: how closely to keep to the prompt; 1 is none.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the first picture; counted up.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("pictures"),
    show_default=True,
    help="Folder for the pictures that are drawn.",
)
@load_options
def command(
    model: str,
    max_new_tokens: int,
    temperature: float,
    guidance: float | None,
    seed: int,
    out: Path,
    **how: Any,
) -> None:
    """Talk with a model: every line is answered, and what was said before is remembered.

    MODEL is the name of a recipe with shipped weights, or the folder of a model or a finished run. /help in the
    conversation lists what else it understands: /look, /draw, /forget, /quit. Lines may also come from a pipe.
    """
    from ..inference.chat import Chat

    loaded = opened(model, **how)
    chat = Chat(loaded, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
    session = _Session(chat, out, {} if guidance is None else {"guidance": guidance})
    session.run()


class _Session:
    """Reads lines and does what they say. A line that fails is a sentence, and the conversation goes on."""

    def __init__(self, chat: Chat, out: Path, drawing: dict[str, Any]) -> None:
        self.chat = chat
        self.out = out
        self.drawing = drawing
        self.interactive = sys.stdin.isatty()

    def run(self) -> None:
        if self.interactive:
            with contextlib.suppress(ImportError):  # edits the line, and remembers lines; not there on every system
                import readline  # noqa: F401
            note(f"{self.chat.model.name} {self._abilities()}; /help lists what else you can write")
        # A byte that is no text is refused where it is said, not where it is read.
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
                click.echo()
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
            click.echo()
            return None

    def _abilities(self) -> str:
        able = [deed for mode, deed in (("look", "looks at pictures"), ("draw", "draws")) if self.chat.can(mode)]
        return " and ".join(able) or "neither looks at pictures nor draws"

    def _follow(self, line: str) -> bool:
        """Do what a line says; whether to go on after it."""
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
            click.echo("forgotten")
        elif word == "/help":
            width = max(map(len, HELP))
            click.echo("\n".join(f"{usage:<{width}}  {what}" for usage, what in HELP.items()))
        elif word == "/quit":
            return False
        else:
            hint = nearest(word, _COMMANDS)
            raise UsageError(Problem(f"there is no command '{word}'", hint=hint or "/help lists what there is"))
        return True

    def _say(self, typed: str) -> None:
        from ..inference.chat import ContextError

        line = take_apart(typed)
        self._show(line.pictures)
        for name in line.unknown:
            note(f"there is no picture '{name}' here; the name is said as it stands")
        if not line.text:
            return
        try:
            answer = self.chat.say(line.text)
        except ContextError as error:
            begun = self.chat.conversation or self.chat.waiting
            say(error.problems[0].message, "say less, or start afresh with /forget" if begun else "say less")
            return
        said = ""
        for piece in answer:
            piece = _shown(piece)
            said += piece
            click.echo(piece, nl=False)
            sys.stdout.flush()
        click.echo()
        if not said:
            note("the model answered nothing; ask in other words")
        elif self.chat.left < self.chat.context // 8:
            left = f"about {self.chat.left} of {self.chat.context} tokens are left" if self.chat.left else "it is full"
            note(f"the model's context: {left}; /forget starts afresh")

    def _look(self, typed: str) -> None:
        if not typed:
            raise UsageError(Problem("there is nothing to look at", hint="/look picture.png"))
        self._show(picture_paths(typed))

    def _show(self, paths: Sequence[str]) -> None:
        """All of the pictures, or none where one cannot be read, so that the line can be mended and sent again."""
        from ..pictures.read import read_picture

        for path, picture in [(path, read_picture(path)) for path in paths]:
            self.chat.look(picture)
            click.echo(f"looking at {path} ({picture.width}×{picture.height})")

    def _draw(self, prompt: str) -> None:
        from ..pictures.provenance import png_bytes

        ready_folder(self.out)
        with progress_shown() as progress:
            picture = self.chat.draw(prompt, on_step=lambda done, of: progress("drawing", done, of), **self.drawing)
        click.echo(f"drawn: {write_new(self.out, stem_of(prompt), 'png', png_bytes(picture))}")


def _shown(text: str) -> str:
    """What a model says, without signs that would steer the terminal."""
    return "".join(sign for sign in text if sign in "\n\t" or unicodedata.category(sign) != "Cc")
