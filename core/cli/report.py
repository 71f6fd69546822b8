"""Printing errors and notes on stderr."""

from __future__ import annotations

import errno
import io
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import JaniformError, Problem
from ..untrusted_text import printable, storable, text_of

if TYPE_CHECKING:
    import click
    from rich.text import Text

DEBUG = "JANIFORM_DEBUG"
"""Name of the environment variable that turns tracebacks on."""


def report(error: JaniformError) -> None:
    """Print every problem of an error: its origin first, so that editors can jump there; the hint dimmed below."""
    from rich.text import Text

    problems = error.problems
    text = Text()
    if len(problems) > 1:
        text.append(f"{len(problems)} problems\n", style="bold red")
    for number, problem in enumerate(problems, start=1):
        lead = f"{number:>{len(str(len(problems)))}}. " if len(problems) > 1 else ""
        text.append(_entry(problem, lead))
    _print(text)
    if os.environ.get(DEBUG):
        _print_traceback(error)


def say(sentence: str, hint: str = "") -> None:
    """Print one sentence as an error."""
    report(JaniformError(Problem(sentence, hint=hint)))


def note(sentence: str) -> None:
    """Print a sentence that is not an error. Control characters are printed as escapes."""
    from rich.text import Text

    _print(Text.assemble(("note: ", "yellow"), printable(sentence), "\n"))


def note_slow_plugins() -> None:
    """Print which plugins took long to load, where the command loaded plugins."""
    from ..components.registry import registry

    for record in registry().plugins if registry.cache_info().currsize else ():
        if record.burden:
            note(f"{record.burden.message} ({record.burden.hint})")


def report_usage(error: click.ClickException) -> None:
    """Print an error of the command line's own options, as click words it."""
    shown = io.StringIO()
    error.show(file=shown)
    sys.stderr.write(printable(shown.getvalue(), lines=True))


def report_system(error: OSError) -> None:
    """Print an error of the operating system, with a hint."""
    file_name = f" '{error.filename}'" if error.filename is not None else ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            say(
                f"the disk is full; writing{file_name or ' a file or standard output'} failed",
                "free some space, or choose another folder",
            )
        case errno.EBADF if not file_name:
            say("standard output cannot be written", "it is closed, or open for reading only")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            say(f"no permission for{file_name or ' a file'}", "choose a file or folder that you may read and write")
        case errno.ENOENT:
            say(f"there is no file or folder{file_name}")
        case errno.EISDIR:
            say(f"expected a file, but {file_name.strip() or 'the path'} is a folder")
        case errno.ENOTDIR:
            say(f"{file_name.strip() or 'the path'} is not a folder")
        case errno.EMFILE | errno.ENFILE:
            say("too many files are open", "raise the limit: ulimit -n")
        case _:
            say(f"{error.strerror or error}{':' + file_name if file_name else ''}")


def report_bug(error: BaseException) -> None:
    """Report a bug, and write its traceback to a file for the user."""
    if os.environ.get(DEBUG):
        _print_traceback(error)
        return
    description = f"{type(error).__name__}: {text_of(error)}" if text_of(error) else type(error).__name__
    file = _keep_traceback(error)
    say(
        f"this is a bug in {_culprit(error)}: {description}",
        f"the traceback is in {file}; please report it" if file else f"set {DEBUG}=1 for the traceback",
    )


def _entry(problem: Problem, lead: str) -> Text:
    from rich.text import Text

    indent = " " * len(lead)
    entry = Text(lead, style="bold")
    if problem.origin:
        entry.append(f"{problem.origin}: ", style="bold")
    elif not lead:
        entry.append("error: ", style="bold red")
    if problem.path:
        entry.append(f"{problem.path}: ", style="cyan")
    entry.append(problem.message.replace("\n", f"\n{indent}"), style="none")
    entry.append("\n")
    if problem.hint:
        entry.append(f"{indent}  {problem.hint}\n".replace("; ", f";\n{indent}  "), style="dim")
    return entry


def _print(text: Text) -> None:
    from ..console import SafeConsole

    # soft_wrap: a path that is wrapped can be neither clicked nor searched for.
    SafeConsole(stderr=True).print(text, soft_wrap=True, end="")


def _print_traceback(error: BaseException) -> None:
    sys.stderr.write(printable("".join(traceback.format_exception(error)), lines=True))


def _keep_traceback(error: BaseException) -> Path | None:
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="janiform-traceback-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(storable(" ".join(sys.argv) + "\n\n" + "".join(traceback.format_exception(error))))
    except OSError:  # the bug may be due to a full disk
        return None
    return Path(file.name)


def _culprit(error: BaseException) -> str:
    """The third party's plugin whose code raised the error, or janiform."""
    from ..components.registry import registry

    if not registry.cache_info().currsize:
        return "janiform"
    owners = {
        component.factory.partition(":")[0].partition(".")[0]: component
        for component in registry().components()
        if component.distribution != "janiform"
    }
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in owners:
            return owners[package].provider
        if package.startswith("janiform"):
            break
    return "janiform"
