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
    "demo": "Draw, answer, measure and train a little with the shipped model, and show it all on one page.",
    "generate": "Draw pictures from a prompt, or one again that was drawn before.",
    "ask": "Answer a question about pictures.",
    "chat": "A conversation with a model in the terminal.",
    "train": "Train a recipe, stage after stage.",
    "report": "One page about runs: curves, samples, recipe and provenance, laid over each other.",
    "eval": "Measure a model.",
    "convert": "Write a model in another layout of directories.",
    "check": "Compose recipes without weights: do all parts fit?",
    "plan": "What training a recipe takes: memory, communication, tokens a second, days.",
    "show": "A recipe resolved, with the origin of every value, or its diagram; or how a picture was drawn.",
    "diff": "What differs between two recipes.",
    "recipes": "The recipes that plugins bring.",
    "components": "The components that recipes can name, with their settings.",
    "new-plugin": "Write a package to publish a component of your own in.",
    "plugins": "The installed plugins, what they bring, and which are broken.",
}
"""Name -> one line of help. A command ``NAME`` is the click command ``command`` in the module ``janiform.cli.NAME``; a
hyphen is an underscore there."""

_ELSEWHERE = {"report": "run_report"}
"""Commands whose module cannot have their name: ``report`` there tells of errors."""


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
    help=f"Do without a plugin, or all plugins of a distribution; may be repeated. Also: {DISABLE}=a,b.",
)
@click.pass_context
def group(ctx: click.Context, disabled: tuple[str, ...]) -> None:
    """Unified multimodal models, which look at pictures and draw them, built out of parts by recipe files."""
    if disabled:
        _disable(ctx, disabled)


def _disable(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Through the environment, so that data workers and other processes of this command do without them as well."""
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
    """Run a command line; what it returns is the command's return value or, after ``--help``, an exit code."""
    return group.main(arguments, prog_name="janiform", standalone_mode=False)
