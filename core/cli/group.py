"""The command ``janiform``: a table of subcommands, each of which is imported when it is called."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import copy
from functools import wraps
from importlib import import_module
from typing import Any

import click

from .. import __version__
from ..components.registry import DISABLE, registry
from ..errors import Problem, UsageError, nearest
from .output import own_stdout

COMMANDS = {
    "demo": "Draw, answer, measure and train briefly with the shipped model, and write one page about it.",
    "generate": "Draw pictures from a prompt, or redraw a picture.",
    "ask": "Answer a question about pictures.",
    "chat": "Converse with a model in the terminal.",
    "serve": "Serve models behind the API of OpenAI.",
    "train": "Train the stages of a recipe.",
    "ablate": "Train the cells of a study with several seeds, and compare them on one page.",
    "report": "Write one page about runs, or about evaluations, compared.",
    "watch": "Show the page about runs or a study while they train.",
    "eval": "Measure a model with benchmarks.",
    "score": "Score predictions that were made elsewhere.",
    "score-pictures": "Score a folder of pictures: FID to a folder of others, CLIP score to their prompts.",
    "convert": "Write a model directory in another format.",
    "card": "Write a model card: what a model is, its recipe, scores, licence and provenance.",
    "check": "Check that the parts of recipes fit, without weights.",
    "plan": "Estimate training: memory, communication, tokens per second, days.",
    "show": "Show a resolved recipe, its diagram, or the settings of a picture.",
    "diff": "Show the differences between two recipes.",
    "recipes": "List the recipes of plugins.",
    "components": "List the components that recipes can name, with their settings.",
    "new-plugin": "Write a package for a component of your own.",
    "plugins": "List the installed plugins, their components and their errors.",
}
"""Name -> one line of help. A command ``NAME`` is the click command ``command`` in the module ``janiform.cli.NAME``; a
hyphen is an underscore there."""

_ELSEWHERE = {"report": "run_report"}
"""Commands whose module has another name: ``report`` reports errors."""


_INTERACTIVE = ("chat",)
"""Commands that read lines, for which Python's line editing needs the process's own standard output."""


class LazyGroup(click.Group):
    """A group that lists its commands from ``COMMANDS`` and imports the module of the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = _ELSEWHERE.get(cmd_name, cmd_name.replace("-", "_"))
        command: click.Command = copy(import_module(f"{__package__}.{module}").command)
        if command.callback is not None and cmd_name not in _INTERACTIVE:
            command.callback = _with_own_stdout(command.callback)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UsageError(
                Problem(
                    f"there is no command '{args[0]}'",
                    hint=nearest(args[0], COMMANDS) or "'janiform --help' lists the commands",
                )
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="janiform", message="%(prog)s %(version)s")
@click.option(
    "--disable-plugin",
    "disabled",
    metavar="NAME",
    multiple=True,
    help=f"Plugin or distribution to disable; may be repeated. Also: {DISABLE}=a,b.",
)
@click.pass_context
def group(ctx: click.Context, disabled: tuple[str, ...]) -> None:
    """Unified multimodal models, which look at pictures and draw them, built from components by recipe files."""
    if disabled:
        _disable(ctx, disabled)


def _with_own_stdout(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def call(*arguments: Any, **options: Any) -> Any:
        with own_stdout():
            return callback(*arguments, **options)

    return call


def _disable(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Set the environment variable, so that data workers and other processes of this command disable them too."""
    before = os.environ.get(DISABLE)

    def restore() -> None:
        if before is None:
            os.environ.pop(DISABLE, None)
        else:
            os.environ[DISABLE] = before
        registry.cache_clear()

    os.environ[DISABLE] = ",".join([*filter(None, [before]), *names])
    registry.cache_clear()
    ctx.call_on_close(restore)


def run(arguments: list[str] | None) -> Any:
    """Run a command line; return the command's return value or, after ``--help``, an exit code."""
    return group.main(arguments, prog_name="janiform", standalone_mode=False)
