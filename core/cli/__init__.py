"""The command line. ``main`` runs it, and turns every failure into a message and an exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

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
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a character that the terminal lacks must not raise
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(arguments)
        sys.stdout.flush()
        from .report import note_slow_plugins

        note_slow_plugins()
    except BrokenPipeError:
        return _reader_left()
    except KeyboardInterrupt:  # during start-up, or while an earlier one is reported
        return INTERRUPTED
    return code


def _run(arguments: Sequence[str] | None) -> int:
    import click

    from ..errors import JaniformError
    from .group import run
    from .report import report, report_bug, report_system, say

    try:
        result = run(None if arguments is None else list(arguments))
    except JaniformError as error:
        report(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
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
    except Exception as error:
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
    return error.code or 0


def _reader_left() -> int:
    """Exit without a message, as for ``janiform components | head``; Python flushes to the null device at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILURE
