"""``janiform new-plugin``: a package to publish a part of one's own in."""

from __future__ import annotations

from pathlib import Path

import click

from .output import json_option, print_json


@click.command()
@click.argument("name")
@click.option("--kind", required=True, help="encoder, tokenizer, embedding, adapter, backbone, head or kernel.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the package, new or empty; janiform-NAME by default."
)
@json_option
def command(name: str, kind: str, out: Path | None, as_json: bool) -> None:
    """Write a small package that brings a component called NAME, ready to be installed and changed.

    It holds the settings, the module, the entry point, tests of all that the kind promises, and a recipe that puts the
    part into janus-mini.
    """
    from ..kit import write_package

    folder = Path(f"janiform-{name}") if out is None else out
    files = write_package(name, kind, folder)
    if as_json:
        print_json({"name": name, "kind": kind, "folder": str(folder), "files": [str(file) for file in files]})
        return
    for file in files:
        click.echo(str(file))
    click.echo(
        f"\nNow:  pip install -e '{folder}[test]' && pytest {folder} && janiform check {folder}/mini-{name}.toml"
    )
