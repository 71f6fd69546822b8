"""``janiform new-plugin``: a package for a component of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from .output import echo, json_option, print_json


@click.command()
@click.argument("name")
@click.option("--kind", required=True, help="Kind of the component, such as encoder, source or objective.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the package, new or empty; default: janiform-NAME."
)
@json_option
def command(name: str, kind: str, out: Path | None, as_json: bool) -> None:
    """Write a small package with a component called NAME, ready to be installed and changed.

    It contains the settings, the component, the entry point, conformance tests of the kind, and a variant of the recipe
    janus-mini with the component, unless it is a benchmark or a format. Kinds: encoder, tokenizer, embedding, adapter,
    backbone, head, tiling, text, layout, sampler, objective, source, sink, benchmark, kernel, format.
    """
    from ..kit import write_package

    folder = Path(f"janiform-{name}") if out is None else out
    files = write_package(name, kind, folder)
    if as_json:
        print_json({"name": name, "kind": kind, "folder": str(folder), "files": [str(file) for file in files]})
        return
    for file in files:
        echo(str(file))
    recipe = folder / f"mini-{name}.toml"
    check = f" && janiform check {recipe}" if recipe in files else ""
    echo(f"\nNow:  pip install -e '{folder}[test]' && pytest {folder}{check}")
