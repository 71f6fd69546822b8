"""The command line. ``main`` runs it, and turns every failure into a message and an exit code."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

FAILURE, INTERRUPTED = 1, 130
"""Exit codes beside 0. 130 is what shells report for a process that Ctrl-C ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line ``arguments``, those of the process by default, and return its exit code.

    A command may return an exit code, raise ``JaniformError``, or raise ``KeyboardInterrupt("how to resume")`` after
    Ctrl-C. ``main`` raises nothing.
    """
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a character that the terminal lacks must not raise
            stream.reconfigure(errors="backslashreplace")
            if not _encodes(stream.encoding):
                stream.reconfigure(encoding="ascii", errors="backslashreplace")
    if hasattr(sys.stdin, "reconfigure") and not _decodes(sys.stdin.encoding):
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        code = _run(arguments)
        sys.stdout.flush()
        from .report import note_slow_plugins

        note_slow_plugins()
        sys.stderr.flush()
        atexit.register(_end_output)  # runs before the functions that plugins registered
    except BrokenPipeError:
        return _reader_left()
    except OSError as error:
        return _unwritable(error)
    except KeyboardInterrupt:  # during start-up, or while an earlier one is reported
        return INTERRUPTED
    return code


def _encodes(encoding: str) -> bool:
    """Whether an encoding, which PYTHONIOENCODING may name, can write every text."""
    try:
        "a…\udcff. ".encode(encoding, "backslashreplace")
    except (LookupError, UnicodeError):
        return False
    return True


def _decodes(encoding: str) -> bool:
    """Whether an encoding, which PYTHONIOENCODING may name, can read any bytes."""
    try:
        b"h\xc3\xbc\xff\n".decode(encoding, "surrogateescape")
    except (LookupError, UnicodeError):
        return False
    return True


def _open_streams() -> None:
    """Replace standard streams that are closed by the null device, so that no file gets their descriptor."""
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    number = os.open(os.devnull, os.O_RDWR)
    while number < 3:  # the system gives the lowest number that is free
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - open until the end


def _run(arguments: Sequence[str] | None) -> int:
    import click

    from ..errors import JaniformError
    from .group import run
    from .report import report, report_bug, report_system, report_usage, say

    try:
        result = run(None if arguments is None else list(arguments))
    except JaniformError as error:
        report(error)
        return error.exit_code
    except click.ClickException as error:
        report_usage(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        messages = [str(cause) for cause in (error, error.__cause__) if cause is not None and str(cause)]
        say(messages[0] if messages else "interrupted; nothing more was written")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        report_system(error)
        return FAILURE
    except MemoryError:
        say("not enough memory", "use a smaller batch, fewer pictures at once or a smaller recipe")
        return FAILURE
    except SystemExit as error:
        return _exit_code(error)
    except BaseException as error:  # plugins may raise anything
        if type(error).__name__ == "OutOfMemoryError":  # torch's class; recognised by name, without importing torch
            say("not enough memory on the device", "use a smaller batch or fewer pictures at once")
        else:
            report_bug(error)
        return FAILURE
    return result if isinstance(result, int) else 0


def _exit_code(error: SystemExit) -> int:
    from .report import say

    if isinstance(error.code, str):
        say(error.code)
        return FAILURE
    return error.code if isinstance(error.code, int) else FAILURE if error.code else 0


def _reader_left() -> int:
    """Exit without a message, as for ``janiform components | head``."""
    _drop_output(sys.stdout)
    return FAILURE


def _unwritable(error: OSError) -> int:
    """Exit where standard output or error cannot be written: a full disk, or a stream that is open for reading."""
    from .report import report_system

    _drop_output(sys.stdout)
    try:
        report_system(error)
        sys.stderr.flush()
    except OSError:
        _drop_output(sys.stderr)
    return FAILURE


def _end_output() -> None:
    """Send what plugins print while Python exits to standard error."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        if (sys.stdout.fileno(), sys.stderr.fileno()) == (1, 2):
            os.dup2(2, 1)


def _drop_output(stream: TextIO) -> None:
    """Send what the stream still holds to the null device, since Python flushes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
