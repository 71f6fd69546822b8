"""``janiform card``: the model card of a model, as the Hugging Face hub shows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..errors import Problem, UsageError
from .output import echo

license_option: Callable[[Any], Any] = click.option(
    "--license",
    "license_id",
    default="",
    metavar="ID",
    help="Licence of the weights, as the hub names it: apache-2.0, mit, …; default: the one that the files state.",
)
"""The option ``--license``, passed to commands as ``license_id``."""


@click.command()
@click.argument("model")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of the card, which must not exist; printed by default.",
)
@click.option("--name", default="", metavar="OWNER/NAME", help="Name of the model on the hub; default: the folder's.")
@license_option
def command(model: str, out: Path | None, name: str, license_id: str) -> None:
    """Write the card of MODEL, a name or a folder in any format: what it is, recipe, scores, licence and provenance.

    The card is a README.md with the header that the Hugging Face hub reads. It says what the files record.
    """
    from ..storage.atomic import write_text
    from ..storage.card import CardSettings, model_card

    if out is not None and out.exists():
        raise UsageError(Problem(f"'{out}' exists already", hint="remove it, or choose another --out"))
    text = model_card(model, CardSettings(name, license_id))
    if out is None:
        echo(text, end="")
        return
    write_text(out, text)
    echo(f"the card is {out}")
