"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ..components.kernels import AUTO, DEFAULT
from ..errors import JaniformError
from .output import echo

if TYPE_CHECKING:
    from ..inference.api import Model

device_option: Callable[[Any], Any] = click.option(
    "--device", default="cpu", show_default=True, help="Device to compute on: cpu, cuda, cuda:1, …"
)

dtype_option: Callable[[Any], Any] = click.option(
    "--dtype", help="Data type of the weights in memory: float32 (the default), bfloat16 or float16."
)


quantize_option: Callable[[Any], Any] = click.option(
    "--quantize", metavar="int8|int4", help="Quantize the backbone's linear layers to 8 or 4 bits."
)


attention_option: Callable[[Any], Any] = click.option(
    "--attention",
    default=DEFAULT,
    show_default=True,
    metavar="NAME",
    help='Attention kernel, or auto; "janiform components kernel" lists them.',
)


sampler_option: Callable[[Any], Any] = click.option(
    "--sampler",
    metavar="NAME",
    help='Sampler that draws in place of the recipe\'s, such as jacobi; "janiform components sampler" lists them.',
)


def load_options(command: Any) -> Any:
    """Add the options of loading a model. The command passes them on to ``opened`` as keyword arguments."""
    return device_option(dtype_option(quantize_option(attention_option(command))))


def opened(model: str, **load_settings: Any) -> Model:
    """Load a model; prints on standard error which kernel ``--attention auto`` chose, and why."""
    from ..inference.load import load

    loaded = load(model, **load_settings)
    if load_settings.get("attention") == AUTO:
        echo(f"attention: {loaded.attention.name}, {loaded.attention.reason}", err=True)
    return loaded


overrides_option: Callable[[Any], Any] = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a value of the recipe, as TOML: 'generation.adapter.depth=3'; may be repeated.",
)


@contextmanager
def reported_once() -> Iterator[None]:
    """Let the first process of each machine alone report an error of the arguments or the device.

    All processes of a machine find the same errors before they join each other; later ones are reported by the first.
    """
    try:
        yield
    except JaniformError as error:
        if os.environ.get("LOCAL_RANK", "0") != "0":
            raise SystemExit(error.exit_code) from error
        raise
