"""``janiform new-plugin``: a package for a component of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from .output import echo, json_option, print_json


@click.command()
@click.argument("name")
@click.option("--kind", required=True, help="Kind: encoder, tokenizer, embedding, adapter, backbone, head or kernel.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the package, new or empty; default: janiform-NAME."
)
@json_option
def command(name: str, kind: str, out: Path | None, as_json: bool) -> None:
    """Write a small package with a component called NAME, ready to be installed and changed.

    It contains the settings, the module, the entry point, conformance tests of the kind, and a variant of the recipe
    janus-mini with the component.
    """
    from ..kit import write_package

    folder = Path(f"janiform-{name}") if out is None else out
    files = write_package(name, kind, folder)
    if as_json:
        print_json({"name": name, "kind": kind, "folder": str(folder), "files": [str(file) for file in files]})
        return
    for file in files:
        echo(str(file))
    echo(f"\nNow:  pip install -e '{folder}[test]' && pytest {folder} && janiform check {folder}/mini-{name}.toml")
