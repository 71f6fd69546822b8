"""``janiform convert``: convert a model to another format of directories."""

from __future__ import annotations

from pathlib import Path

import click

from ..weights import listed
from .card import license_option
from .output import echo, json_option, print_json


@click.command()
@click.argument("source")
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--to", required=True, metavar="FORMAT", help="Format of TARGET: official, hf, janiform, or one of a plugin."
)
@click.option(
    "--shard-size",
    metavar="SIZE",
    help="Largest size of a file of weights: 800MB, 2GiB, …; default 5GB.",
)
@click.option(
    "--adapters",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Directory of low-rank adapters to merge, of a stage with lora (adapters/STAGE) or of peft.",
)
@click.option("--name", default="", metavar="OWNER/NAME", help="Name of the model on the hub, for its card.")
@license_option
@json_option
def command(
    source: str,
    target: Path,
    to: str,
    shard_size: str | None,
    adapters: Path | None,
    name: str,
    license_id: str,
    as_json: bool,
) -> None:
    """Write the model SOURCE to TARGET, a new or empty directory, in another format.

    SOURCE is the name of a recipe with shipped weights, or a model directory in any format. The weights are copied bit
    by bit, a few rows at a time. TARGET also gets a model card, README.md, and is ready to be pushed to the Hugging
    Face hub. "janiform components format" lists the formats; a model that the format cannot
    express is refused with the reasons.
    """
    from ..storage.card import CardSettings
    from ..storage.convert import convert
    from ..units import bytes_in

    largest = None if shard_size is None else bytes_in(shard_size)
    result = convert(source, target, to, largest, adapters, CardSettings(name, license_id))
    if as_json:
        facts = {"source": source, "from": result.source, "to": result.target, "folder": str(result.folder)}
        print_json({**facts, "left_out": dict(result.left_out)})
        return
    echo(f"{source} ({result.source}) is in {result.folder} ({result.target})")
    for reason in dict.fromkeys(result.left_out.values()):
        names = listed(name for name, why in result.left_out.items() if why == reason)
        echo(f"left out, because {reason}: {names}")
