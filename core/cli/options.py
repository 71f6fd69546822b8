"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ..components.kernels import AUTO, DEFAULT

if TYPE_CHECKING:
    from ..inference.api import Model

device_option: Callable[[Any], Any] = click.option(
    "--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda, cuda:1, …"
)

dtype_option: Callable[[Any], Any] = click.option(
    "--dtype", help="Of the weights in memory: float32 (the default), bfloat16 or float16."
)


quantize_option: Callable[[Any], Any] = click.option(
    "--quantize", metavar="int8|int4", help="Keep the backbone's linear layers in 8 or 4 bits."
)


attention_option: Callable[[Any], Any] = click.option(
    "--attention",
    default=DEFAULT,
    show_default=True,
    metavar="NAME",
    help='The kernel that computes attention, or auto; "janiform components kernel" lists them.',
)


def load_options(command: Any) -> Any:
    """How a model is loaded. The command takes them as ``**how``, and hands them to ``opened`` as they are."""
    return device_option(dtype_option(quantize_option(attention_option(command))))


def opened(model: str, **how: Any) -> Model:
    """The model, by ``janiform.load``; says on standard error which kernel ``--attention auto`` took, and why."""
    from ..inference.api import load

    loaded = load(model, **how)
    if how.get("attention") == AUTO:
        click.echo(f"attention: {loaded.attention.name}, {loaded.attention.reason}", err=True)
    return loaded


overrides_option: Callable[[Any], Any] = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change the recipe by a line of TOML: 'generation.adapter.depth=3'; may be repeated.",
)
