"""The block of a run's page about a visual tokenizer that a stage trains: its reconstructions and its codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..contracts.showcase import TokenizerQuality
from ..train.run.record import SampleFile
from ..train.run.tokenizer_quality import READY, not_ready
from .markup import Markup, join, tag

ROWS = 8
"""Largest number of rows of the table: the last sample, and some earlier ones."""


def tokenizer_block(stage: str, samples: Sequence[SampleFile], log: Sequence[Mapping[str, Any]]) -> Markup | None:
    """A table of the tokenizer's quality over the steps of a stage; None where the stage trains none.

    Where the stage is done and its tokenizer is not ready for the next one, a sentence above says so.
    """
    measured = [(sample.step, sample.tokenizer) for sample in samples if sample.tokenizer is not None]
    if not measured:
        return None
    step, last = measured[-1]
    done = any(entry.get("stage") == stage and entry["step"] == entry["steps"] == step for entry in log)
    sentence = not_ready(stage, last, log) if done else ""
    note = tag("p", sentence[:1].upper() + sentence[1:] + ".", class_="note unready") if sentence else None
    lead = (
        f"Measured on {last.pictures:,} pictures of the data. The error is the fraction of the variance of their "
        f"pixels that reconstructions lose; with more than {READY:.0%}, small details become unreadable."
    )
    return join([part for part in (note, tag("p", lead, class_="note"), _table(measured)) if part is not None])


def _table(measured: Sequence[tuple[int, TokenizerQuality]]) -> Markup:
    shown = measured[::-1][:: -(-len(measured) // ROWS)][::-1]
    levels = len(shown[-1][1].used)
    heads = ["after step", "error"]
    for level in range(1, levels + 1):
        suffix = f", level {level}" if levels > 1 else ""
        heads += [f"codes used{suffix}", f"perplexity{suffix}"]
    rows = []
    for step, quality in shown:
        cells = [f"{step:,}", f"{quality.error:.1%}"]
        for used, perplexity in zip(quality.used, quality.perplexity, strict=False):
            cells += [f"{used:,} of {quality.vocabulary:,}", f"{perplexity:,.1f}"]
        rows.append(tag("tr", join([tag("td", cell) for cell in cells])))
    head = tag("thead", tag("tr", join([tag("th", text, scope="col") for text in heads])))
    return tag("div", tag("table", head, tag("tbody", join(rows)), class_="sides"), class_="scroll")
