"""Pictures and answers side by side: a row per prompt, a column per cell, for one seed at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attrs import define, field

from ...report.markup import Markup, join, tag
from ...report.sections import section
from ..results import ShownItem
from .controls import seed_switch
from .files import picture_uri
from .summary import Summary
from .tabular import head, table
from .words import MISSING

MAX_PICTURES = 1200
"""Largest number of pictures on a page."""

MAX_ANSWERS = 6000
"""Largest number of answers on a page."""


@define(eq=False)
class _Row:
    """A prompt or question with what each cell made of it, by cell and seed."""

    prompt: str
    expected: str = ""
    about: str = ""
    drawn: bool = False
    items: dict[tuple[str, int], ShownItem] = field(factory=dict)

    def difference(self, seeds: Iterable[int]) -> int:
        """How much the cells differ: 2 in verdicts, 1 in answers, 0 in neither."""
        by_seed = [[item for (_, of), item in self.items.items() if of == seed] for seed in seeds]
        if any(len({item.correct for item in items}) > 1 for items in by_seed):
            return 2
        return int(any(len({item.answer.strip().casefold() for item in items}) > 1 for items in by_seed))


def examples(summary: Summary, folder: Path) -> Markup | None:
    """Tables of pictures and of answers; None where runs show none."""
    rows = _rows(summary)
    seeds = [seed for seed in summary.seeds if any(seed == of for row in rows for _, of in row.items)]
    if not seeds:
        return None
    blocks: list[Markup] = [switch] if (switch := seed_switch(seeds)) is not None else []
    for title, drawn, most in (("Pictures", True, MAX_PICTURES), ("Answers", False, MAX_ANSWERS)):
        kind = sorted((row for row in rows if row.drawn == drawn), key=lambda row: -row.difference(seeds))
        kept = _fitting(kind, most)
        if kept:
            blocks.append(tag("h3", title))
            if len(kept) < len(kind):
                text = (
                    f"{len(kept)} of {len(kind)} are shown, to keep the page small; the rest is in the runs' folders."
                )
                blocks.append(tag("p", text, class_="note"))
            blocks.append(_table(summary, folder, title, kept, seeds))
    lead = (
        "The same prompts and seeds of pictures for every cell, not selected. Those on which cells differ come first."
    )
    return section("Side by side", lead, *blocks)


def example_seeds(summary: Summary) -> list[int]:
    """The seeds that the switch chooses from."""
    return [
        seed for seed in summary.seeds if any(run.seed == seed and run.shown for c in summary.cells for run in c.runs)
    ]


def _rows(summary: Summary) -> list[_Row]:
    rows: dict[str, _Row] = {}
    for cell in summary.cells:
        for run in cell.runs:
            for item in run.shown:
                row = rows.setdefault(item.item, _Row(item.prompt))
                row.expected, row.about = row.expected or item.expected, row.about or item.about
                row.drawn |= bool(item.picture)
                row.items[cell.name, run.seed] = item
    return list(rows.values())


def _fitting(rows: Sequence[_Row], most: int) -> list[_Row]:
    kept: list[_Row] = []
    total = 0
    for row in rows:
        total += len(row.items)
        if total > most:
            break
        kept.append(row)
    return kept


def _table(summary: Summary, folder: Path, title: str, rows: Sequence[_Row], seeds: Sequence[int]) -> Markup:
    shown = {name for row in rows for name, _ in row.items}
    cells = [cell for cell in summary.cells if cell.name in shown]
    heads = [head("prompt" if title == "Pictures" else "question", class_=None)]
    heads += [tag("th", cell.name, scope="col", class_="example-head") for cell in cells]
    pictures: Mapping[str, str | None] = {
        path: picture_uri(folder, path) for path in dict.fromkeys(path for row in rows for path in _paths(row))
    }
    body = []
    for row in rows:
        about = pictures.get(row.about) if row.about else None
        entries = [
            tag(
                "th",
                tag("img", src=about, alt="Picture that the question is about", class_="about") if about else None,
                tag("span", row.prompt, class_="prompt"),
                tag("span", f"expected: {row.expected}", class_="expected") if row.expected else None,
                scope="row",
            )
        ]
        entries += [tag("td", *_entries(row, cell.name, seeds, pictures)) for cell in cells]
        body.append(tag("tr", join(entries)))
    return table(heads, [tag("tbody", join(body))], title, "study examples")


def _paths(row: _Row) -> list[str]:
    return [path for path in (row.about, *(item.picture for item in row.items.values())) if path]


def _entries(row: _Row, cell: str, seeds: Sequence[int], pictures: Mapping[str, str | None]) -> list[Markup]:
    """What a cell made of a prompt, for each seed; a switch shows one."""
    entries = []
    for seed in seeds:
        item = row.items.get((cell, seed))
        content = [tag("span", MISSING, class_="soft")] if item is None else _item(item, cell, seed, pictures)
        entries.append(tag("div", *content, class_=f"of-seed seed-{seed}"))
    return entries


def _item(item: ShownItem, cell: str, seed: int, pictures: Mapping[str, str | None]) -> list[Markup]:
    parts: list[Markup] = []
    if item.picture:
        source = pictures.get(item.picture)
        alt = f"Drawn by {cell}, seed {seed}: {item.prompt}"
        parts.append(tag("img", src=source, alt=alt) if source else tag("span", "picture missing", class_="soft"))
    verdict = "" if item.correct is None else "verdict right" if item.correct else "verdict wrong"
    text = item.answer or ("" if item.picture else "(nothing)")
    spoken = {True: "correct", False: "wrong", None: ""}[item.correct]
    hidden = tag("span", f" ({spoken})", class_="unseen") if spoken else None
    if text or verdict:
        parts.append(tag("span", text, hidden, class_=verdict or None))
    return parts
