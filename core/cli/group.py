"""The command ``janiform``: a table of subcommands, none of which is imported before it is called."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import click

from .. import __version__
from ..components.registry import DISABLE, registry
from ..errors import Problem, UsageError, nearest

COMMANDS = {
    "demo": "Draw, answer, measure and train briefly with the shipped model; write a page with the results.",
    "generate": "Draw pictures from a prompt, or redraw an earlier one.",
    "ask": "Answer a question about pictures.",
    "chat": "Talk with a model in the terminal.",
    "train": "Train a recipe, stage by stage.",
    "report": "Write a page about one run or several: curves, samples, recipe and provenance.",
    "eval": "Measure a model with a benchmark.",
    "convert": "Convert a model to another format of directories.",
    "check": "Check without weights whether the parts of recipes fit, and what they cost.",
    "plan": "Estimate what training a recipe takes: memory, communication, tokens per second, days.",
    "show": "Show a resolved recipe with the origin of every value, its diagram, or how a picture was drawn.",
    "diff": "Show the differences between two recipes.",
    "recipes": "List the recipes of the installed plugins.",
    "components": "List the components for recipes, with their settings.",
    "new-plugin": "Create a package for a component of your own.",
    "plugins": "List the installed plugins, their components, and errors.",
}
"""Name -> one line of help. A command ``NAME`` is the click command ``command`` in the module ``janiform.cli.NAME``; a
hyphen is an underscore there."""

_ELSEWHERE = {"report": "run_report"}
"""Command -> its module, where the name differs: the module ``report`` prints errors."""


class LazyGroup(click.Group):
    """A group that lists its commands from ``COMMANDS`` and imports the module of the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = _ELSEWHERE.get(cmd_name, cmd_name.replace("-", "_"))
        command: click.Command = import_module(f"{__package__}.{module}").command
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
    help=f"Disable a plugin, or all plugins of a distribution; may be repeated. Also: {DISABLE}=a,b.",
)
@click.pass_context
def group(ctx: click.Context, disabled: tuple[str, ...]) -> None:
    """Build, train and use unified multimodal models, which look at pictures and draw them, from recipe files."""
    if disabled:
        _disable(ctx, disabled)


def _disable(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Disable plugins through the environment, so that data workers and other processes inherit it."""
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
