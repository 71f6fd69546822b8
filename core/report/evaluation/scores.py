"""Tables of scores: a column per model, with intervals and differences, and rows of published scores below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from attrs import field, frozen

from ...contracts import Metric, Published
from ...evaluate.compare import ScoreDifference, differences, protocol_differences
from ...evaluate.results import Result
from ..markup import Markup, join, tag
from .words import figure, interval, items, label, signed

MOST_ROWS = 12
"""Number of scores up to which all are in the main table; of more, the others are unfolded."""


@frozen(eq=False)
class Compared:
    """One benchmark of several models, by their names; the first has it and is what the others are compared with.

    ``differences``: of each other model to the first, where both were measured in the same way.
    ``other_protocols``: how the others were measured in another way.
    """

    name: str
    results: Mapping[str, Result]
    differences: Mapping[str, Mapping[str, ScoreDifference]] = field(factory=dict)
    other_protocols: Mapping[str, Sequence[str]] = field(factory=dict)

    @classmethod
    def of(cls, name: str, results: Mapping[str, Result]) -> Compared:
        """The benchmark with the differences of its models."""
        (_, first), *others = results.items()
        differing = {model: protocol_differences(first.settings, other.settings) for model, other in others}
        return cls(
            name,
            results,
            {model: differences(first, other) for model, other in others if not differing[model]},
            {model: lines for model, lines in differing.items() if lines},
        )

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics that any model has a score of, as the first of them has it."""
        return {
            name: next(result.metrics[name] for result in self.results.values() if name in result.scores)
            for name in self.names
        }

    @property
    def names(self) -> list[str]:
        """The names of all scores, in the order of the first model's."""
        return list(dict.fromkeys(name for result in self.results.values() for name in result.scores))

    @property
    def headline(self) -> str:
        """The score that stands for the benchmark: its first one."""
        return self.names[0]

    @property
    def published(self) -> list[Published]:
        """The rows of papers, each once."""
        return list(dict.fromkeys(row for result in self.results.values() for row in result.published))


def overview(benchmarks: Sequence[Compared], models: Sequence[str]) -> Markup:
    """A row per benchmark with its first score."""
    bodies = [
        tag("tbody", _row(one, one.headline, models, title=f"{one.name}: {label(one.headline)}")) for one in benchmarks
    ]
    return _table(models, bodies, "First score of each benchmark")


def score_tables(benchmark: Compared, models: Sequence[str]) -> Markup:
    """The main scores with published ones below each, and all others to unfold."""
    published = benchmark.published
    names = benchmark.names
    main = names
    if len(names) > MOST_ROWS:
        with_rows = {row.metric for row in published}
        main = [name for name in names if name == benchmark.headline or name in with_rows or name.count(".") < 2]
        main = (
            main[:MOST_ROWS] if not with_rows else [*main[:MOST_ROWS], *(n for n in main[MOST_ROWS:] if n in with_rows)]
        )
    rest = [name for name in names if name not in main]
    blocks = [
        _table(models, [_body(benchmark, name, models, published) for name in main], f"Scores of {benchmark.name}")
    ]
    if rest:
        table = _table(
            models, [_body(benchmark, name, models, []) for name in rest], f"More scores of {benchmark.name}"
        )
        blocks.append(tag("details", tag("summary", f"{len(rest)} more scores"), table))
    return join(blocks)


def _table(models: Sequence[str], bodies: Sequence[Markup], name: str) -> Markup:
    heads = [tag("th", "", scope="col")]
    for number, model in enumerate(models):
        swatch = tag("span", "", class_=f"swatch series-{number % 6}") if len(models) > 1 else None
        heads.append(tag("th", swatch, model, scope="col", class_="number"))
    heads.append(tag("th", "items", scope="col", class_="number"))
    table = tag("table", tag("thead", tag("tr", join(heads))), *bodies, class_="results")
    return tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=name)


def _body(benchmark: Compared, name: str, models: Sequence[str], published: Sequence[Published]) -> Markup:
    """The row of a score, and below it those of papers, each group with its protocol on a line of its own."""
    rows = [_row(benchmark, name, models)]
    chosen = [row for row in published if row.metric == name]
    for protocol, members in groupby(chosen, key=lambda row: f"{row.source}: {row.protocol}".removeprefix(": ")):
        for row in members:
            value = tag("td", tag("span", figure(row.value)), class_="number")
            cells = [tag("th", row.model, scope="row"), value, tag("td", colspan=len(models))]
            rows.append(tag("tr", join(cells), class_="published"))
        rows.append(tag("tr", tag("td", protocol, colspan=len(models) + 2, class_="soft"), class_="source"))
    return tag("tbody", join(rows))


def _row(benchmark: Compared, name: str, models: Sequence[str], title: str = "") -> Markup:
    cells = [tag("th", title or label(name, benchmark.metrics[name]), scope="row", title=name)]
    counts = []
    for model in models:
        result = benchmark.results.get(model)
        score = None if result is None else result.scores.get(name)
        if score is None:
            cells.append(tag("td", "–", class_="number soft"))
            continue
        counts.append(items(score))
        difference = benchmark.differences.get(model, {}).get(name)
        cells.append(
            tag(
                "td",
                tag("span", figure(score.value), class_="value"),
                tag("span", interval(score.low, score.high), class_="soft"),
                None if difference is None else _difference(difference, benchmark.metrics[name]),
                class_="number",
            )
        )
    cells.append(tag("td", " / ".join(dict.fromkeys(counts)), class_="number soft"))
    return tag("tr", join(cells), class_="headline" if name == benchmark.headline and not title else None)


def _difference(difference: ScoreDifference, metric: Metric) -> Markup:
    """The difference to the first model, coloured where its interval leaves out 0."""
    limits = None
    if difference.low is not None and difference.high is not None:
        limits = tag("span", f"({signed(difference.low)} to {signed(difference.high)})")
    state = "worse" if difference.worse(metric) else "better" if difference.better(metric) else "same"
    title = f"Difference with its 95 % interval, {'' if difference.paired else 'not '}paired by item"
    return tag("span", signed(difference.value), " ", limits, class_=f"difference {state}", title=title)
