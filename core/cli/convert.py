"""``janiform convert``: a model in another layout of directories."""

from __future__ import annotations

from pathlib import Path

import click

from ..weights import listed
from .output import json_option, print_json


@click.command()
@click.argument("source")
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--to", required=True, metavar="FORMAT", help="official, hf or janiform; or what a plugin brings.")
@click.option(
    "--shard-size",
    metavar="SIZE",
    help="Of the largest file of weights: 5GB (by default), 800MB, …",
)
@click.option(
    "--adapters",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Merge these low-rank adapters, which a training stage with lora leaves in adapters/STAGE.",
)
@json_option
def command(source: str, target: Path, to: str, shard_size: str | None, adapters: Path | None, as_json: bool) -> None:
    """Write the model SOURCE as the directory TARGET, which is new or empty, in another layout.

    SOURCE is the name of a recipe with shipped weights, or a model directory of any layout. Every tensor keeps its
    bits; a few rows are in memory at a time. "janiform components format" lists the layouts; a model that one of them
    cannot express is refused with the reasons.
    """
    from ..storage.convert import convert
    from ..units import bytes_in

    done = convert(source, target, to, None if shard_size is None else bytes_in(shard_size), adapters)
    if as_json:
        facts = {"source": source, "from": done.source, "to": done.target, "folder": str(done.folder)}
        print_json({**facts, "left_out": dict(done.left_out)})
        return
    click.echo(f"{source} ({done.source}) is in {done.folder} ({done.target})")
    for reason in dict.fromkeys(done.left_out.values()):
        names = listed(name for name, why in done.left_out.items() if why == reason)
        click.echo(f"left out, because {reason}: {names}")
