"""Differences to the baseline: the primary metric with its verdicts, exploratory metrics, and pairs of items."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...report.markup import Markup, join, tag
from ...report.sections import section
from ..statistics import Comparison, Comparisons, ItemComparison
from .items import compare_items
from .summary import MetricSummary, Summary
from .tabular import cell_head, group_row, head, number, table
from .words import MISSING, better, figure, metric_label, plural, probability, signed

_VERDICTS = {"better": "right", "worse": "wrong"}


def differences(summary: Summary, folder: Path) -> Markup | None:
    """Tables of differences to the baseline; None where nothing is measured."""
    if not summary.metrics or len(summary.cells) < 2:
        return None
    blocks: list[Markup] = []
    primary = summary.primary
    if primary is not None and primary.compared is not None:
        blocks += [tag("h3", f"Primary metric: {metric_label(primary.name)}"), _primary_table(summary, primary)]
        blocks.append(tag("p", _method(primary, primary.compared), class_="note"))
        blocks += _items(summary, primary, folder)
    if exploratory := [metric for metric in summary.exploratory if metric.compared is not None]:
        blocks.append(_exploratory(summary, exploratory))
    if not blocks:
        return None
    lead = f"Each cell minus the baseline “{summary.results.baseline}”, paired by seed."
    return section("Differences to the baseline", lead, *blocks)


def _primary_table(summary: Summary, metric: MetricSummary) -> Markup:
    compared = metric.compared
    assert compared is not None
    margin = compared.margin
    heads = [
        head("cell", class_=None),
        head("difference"),
        head("95 % interval"),
        head("same sign", "Seeds whose difference has the sign of the mean difference"),
        head("p, Holm", "p of the t test, adjusted by Holm's method for the number of comparisons"),
    ]
    if margin:
        heads.append(head(f"within ±{margin:g}", "Two one-sided tests of equivalence, with a margin set beforehand"))
    heads.append(head("could have seen", "Difference that this scatter shows with a chance of 80 %, before adjustment"))
    heads.append(head("finding", class_=None))
    bodies = []
    for title, cells in summary.groups[1:]:
        rows = []
        for cell in cells:
            one = metric.comparisons.get(cell.name)
            entries = [cell_head(summary, cell), *_numbers(one, metric)]
            if margin:
                entries.append(number(_equivalence(one)))
            detectable = one.detectable if one else None
            entries.append(number(MISSING if detectable is None else f"±{figure(detectable, metric.places)}"))
            entries.append(_finding(one))
            rows.append(tag("tr", join(entries)))
        bodies.append(tag("tbody", group_row(title, len(heads)), join(rows)))
    return table(heads, bodies, f"Differences on {metric.name}")


def _numbers(one: Comparison | None, metric: MetricSummary) -> list[Markup]:
    """Difference, interval, seeds with the same sign, and adjusted p."""
    if one is None or one.difference is None:
        return [number(MISSING) for _ in range(4)]
    estimate = one.estimate
    seeds = ", ".join(f"{MISSING if value is None else signed(value, metric.places)}" for value in one.by_seed)
    interval = MISSING
    if estimate is not None:
        interval = f"[{signed(estimate.low, metric.places)}, {signed(estimate.high, metric.places)}]"
    return [
        number(signed(one.difference, metric.places), title=f"by seed: {seeds}"),
        number(interval),
        number(f"{one.same_sign} of {one.seeds}"),
        number(MISSING if one.p_adjusted is None else probability(one.p_adjusted)),
    ]


def _equivalence(one: Comparison | None) -> str:
    if one is None or one.equivalence is None:
        return MISSING
    return f"{'yes' if one.equivalence.within else 'not shown'}, p {probability(one.equivalence.p)}"


def _finding(one: Comparison | None) -> Markup:
    if one is None:
        return tag("td", "not trained for this metric", class_="finding")
    mark = f"verdict {_VERDICTS[one.verdict]}" if one.verdict in _VERDICTS else None
    return tag("td", tag("span", one.sentence, class_=mark), class_="finding")


def _method(metric: MetricSummary, compared: Comparisons) -> str:
    """How the intervals were made."""
    if not metric.judged:
        return f"Differences only ({better(metric.facts)}): intervals and verdicts take three seeds."
    if metric.pooled:
        text = "Intervals: randomised blocks, cells × seeds, with the scatter of all cells pooled."
    else:
        text = "Intervals: Student's t of the differences seed by seed, for each pair by itself."
        text += f" Scatter is not pooled: {compared.reason}." if compared.reason else ""
    family = plural(compared.family, "comparison")
    return f"{text} They are not adjusted; p is, over {family} ({compared.adjustment})."


def _exploratory(summary: Summary, metrics: list[MetricSummary]) -> Markup:
    """Every other metric: called exploratory, with one adjustment over all of its comparisons."""
    heads = [head(title, class_=None) for title in ("metric", "cell")]
    heads += [head(title) for title in ("difference", "95 % interval", "same sign", "p, Benjamini–Hochberg")]
    bodies = []
    for metric in metrics:
        rows = [
            tag("tr", tag("td", metric_label(metric.name)), cell_head(summary, cell), *_numbers(one, metric))
            for cell in summary.cells
            if (one := metric.comparisons.get(cell.name)) is not None
        ]
        bodies.append(tag("tbody", *rows))
    family = metrics[0].compared.family if metrics[0].compared else 0
    lead = (
        f"Not what the study is about: {plural(family, 'comparison')} over {plural(len(metrics), 'metric')}. What "
        "stands out here is a question for another study, not a finding."
    )
    shown = table(heads, bodies, "Exploratory differences", "study compact")
    return tag("details", tag("summary", "Exploratory metrics"), tag("p", lead, class_="note"), shown)


def _items(summary: Summary, metric: MetricSummary, folder: Path) -> list[Markup]:
    """A table of differences paired by item, seed by seed; empty where runs have no items."""
    compared = compare_items(summary.results, metric.name, folder)
    if not compared:
        return []
    seeds = [seed for seed in summary.seeds if any(seed in by_seed for by_seed in compared.values())]
    heads = [head("cell", class_=None), *(head(f"seed {seed}") for seed in seeds)]
    rows = [
        tag("tr", cell_head(summary, cell), *(_item_entry(compared[cell.name], seed, metric) for seed in seeds))
        for cell in summary.cells
        if cell.name in compared
    ]
    lead = (
        "Difference ± half of its 95 % interval over items, which both models were asked alike. It judges the weights "
        "of one seed, not the design: two seeds of one design differ as well."
    )
    shown = table(heads, [tag("tbody", join(rows))], "Differences paired by item", "study compact")
    return [tag("details", tag("summary", "Seed by seed, paired by item"), tag("p", lead, class_="note"), shown)]


def _item_entry(by_seed: Mapping[int, ItemComparison], seed: int, metric: MetricSummary) -> Markup:
    one = by_seed.get(seed)
    if one is None:
        return number(MISSING)
    half = (one.high - one.low) / 2
    title = plural(one.count, "item")
    if one.mcnemar is not None:
        title += f"; McNemar {one.mcnemar.only_first}:{one.mcnemar.only_second}, p {probability(one.mcnemar.p)}"
    return number(f"{signed(one.difference, metric.places)} ± {figure(half, metric.places)}", title=title)
