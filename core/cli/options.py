"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

device_option: Callable[[Any], Any] = click.option(
    "--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda, cuda:1, …"
)

dtype_option: Callable[[Any], Any] = click.option(
    "--dtype", help="Of the weights in memory: float32 (the default), bfloat16 or float16."
)


quantize_option: Callable[[Any], Any] = click.option(
    "--quantize", metavar="int8|int4", help="Keep the backbone's linear layers in 8 or 4 bits."
)


def load_options(command: Any) -> Any:
    """How a model is loaded. The command takes them as ``**how``, and hands them to ``janiform.load`` as they are."""
    return device_option(dtype_option(quantize_option(command)))


overrides_option: Callable[[Any], Any] = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change the recipe by a line of TOML: 'generation.adapter.depth=3'; may be repeated.",
)
