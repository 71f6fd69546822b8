"""The table of cells as files: CSV with a row per cell, seed and metric, Markdown, and LaTeX with booktabs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from ...storage.atomic import text_writer, write_files
from ...untrusted_text import printable
from ..results import CellResult, StudyResults
from .cells import seeds_done
from .provenance import caption
from .summary import MetricSummary, Summary, summarize
from .words import MINUS, MISSING, arrow, count_text, figure, flops_text, metric_label

CSV, MARKDOWN, LATEX = "study.csv", "study.md", "study.tex"

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "×": r"$\times$",
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    MINUS: "$-$",
    "–": "--",
    "“": "``",
    "”": "''",
}


def write_tables(results: StudyResults, folder: Path) -> list[Path]:
    """Write all three tables into a folder, and return their paths. Raises ``StorageError``."""
    summary = summarize(results)
    texts = {CSV: csv_table(results), MARKDOWN: _markdown(summary), LATEX: _latex(summary)}
    write_files(folder, {name: text_writer(text) for name, text in texts.items()})
    return [folder / name for name in texts]


def csv_table(results: StudyResults) -> str:
    """A row per cell, seed and metric, with a row for each run that has none."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        (
            "cell",
            "seed",
            "state",
            "metric",
            "value",
            "low",
            "high",
            "items",
            "parameters",
            "flops",
            "samples",
            "seconds",
        )
    )
    for cell in results.cells:
        budget = (cell.budget.parameters.get("total", ""), cell.budget.flops or "", cell.budget.samples or "")
        for run in cell.runs:
            start = (cell.name, run.seed, run.state)
            rows: list[Sequence[object]] = [
                (name, score.value, score.low, score.high, score.count) for name, score in run.scores.items()
            ]
            for row in rows or [("", "", "", "", "")]:
                texts = ("" if value is None else value for value in row)
                writer.writerow([_inert(value) for value in (*start, *texts, *budget, run.seconds)])
    return file.getvalue()


def markdown_table(results: StudyResults) -> str:
    """The table of cells with its caption."""
    return _markdown(summarize(results))


def latex_table(results: StudyResults) -> str:
    """The table of cells for ``\\usepackage{booktabs}``, with its caption."""
    return _latex(summarize(results))


def _inert(value: object) -> object:
    """A text that a spreadsheet does not take for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _markdown(summary: Summary) -> str:
    heads = ["cell", "changes", "seeds", "parameters", "FLOPs", *(_metric_title(metric) for metric in summary.headline)]
    lines = [heads, ["---", "---", *["---:"] * (len(heads) - 2)]]
    for cell in summary.cells:
        row = [_plain(cell.name), _plain(cell.summary), *_budget(summary, cell)]
        for metric in summary.headline:
            mean, half = _score(metric, cell)
            text = mean if half is None else f"{mean} ± {half}"
            row.append(f"**{text}**" if cell.name in metric.best else text)
        lines.append([*row])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    failed = "\n".join(f"- {_plain(text)}" for text in _states(summary))
    parts = [table, *([failed] if failed else []), _plain(caption(summary))]
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """Text in which Markdown finds no markup, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&$-])", r"\\\1", printable(" ".join(text.split())))


def _latex(summary: Summary) -> str:
    columns = 4 + len(summary.headline)
    groups = _spans(summary.headline)
    first = ["", "", "", ""]
    rules = []
    at = 5
    for title, width in groups:
        first.append(rf"\multicolumn{{{width}}}{{c}}{{{latex_text(title)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + width - 1}}}")
        at += width
    heads = ["cell", "seeds", "parameters", "FLOPs"]
    heads += [latex_text(_short_title(metric)) for metric in summary.headline]
    lines = [r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{l{'r' * (columns - 1)}}}", r"\toprule"]
    if groups:
        lines += [f"{' & '.join(first)} \\\\", " ".join(rules)]
    lines += [f"{' & '.join(heads)} \\\\", r"\midrule"]
    for number, (title, cells) in enumerate(summary.groups):
        if number:
            lines += [r"\addlinespace", rf"\multicolumn{{{columns}}}{{l}}{{\emph{{{latex_text(title)}}}}} \\"]
        for cell in cells:
            scores = [_latex_score(metric, cell) for metric in summary.headline]
            row = [latex_text(text) for text in (cell.name, *_budget(summary, cell))]
            lines.append(f"{' & '.join([*row, *scores])} \\\\")
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{latex_text(caption(summary))}}}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def latex_text(text: str) -> str:
    """Text in which LaTeX finds no command, on one line."""
    return "".join(_LATEX.get(letter, letter) for letter in printable(" ".join(text.split())))


def _latex_score(metric: MetricSummary, cell: CellResult) -> str:
    """``$0.617_{\\pm.024}$``, bold where it cannot be distinguished from the best."""
    mean, half = _score(metric, cell)
    if mean == MISSING:
        return "--"
    mean = mean.replace(MINUS, "-")
    shown = rf"\mathbf{{{mean}}}" if cell.name in metric.best else mean
    return f"${shown}$" if half is None else rf"${shown}_{{\pm{half.removeprefix('0') if half[:2] == '0.' else half}}}$"


def _score(metric: MetricSummary, cell: CellResult) -> tuple[str, str | None]:
    """Mean and half-width as texts."""
    mean, half = metric.means.get(cell.name), metric.half_widths.get(cell.name)
    if mean is None:
        return MISSING, None
    return figure(mean, metric.places), None if half is None else figure(half, metric.places)


def _budget(summary: Summary, cell: CellResult) -> list[str]:
    return [
        seeds_done(summary, cell),
        count_text(cell.budget.parameters.get("total")),
        flops_text(cell.budget.flops),
    ]


def _metric_title(metric: MetricSummary) -> str:
    return _plain(f"{metric_label(metric.name)} {arrow(metric.facts)}")


def _short_title(metric: MetricSummary) -> str:
    """The last part of a metric's name: its first part is the title of a group."""
    _, _, rest = metric.name.partition(".")
    return f"{(rest or metric.name).replace('_', ' ')} {arrow(metric.facts)}"


def _spans(metrics: Sequence[MetricSummary]) -> list[tuple[str, int]]:
    """Neighbouring metrics by the first part of their names, with their number."""
    spans: list[tuple[str, int]] = []
    for metric in metrics:
        head = metric.name.partition(".")[0].replace("_", " ")
        if spans and spans[-1][0] == head:
            spans[-1] = (head, spans[-1][1] + 1)
        else:
            spans.append((head, 1))
    return spans


def _states(summary: Summary) -> list[str]:
    """A line per run that is neither done nor planned."""
    return [
        f"{cell.name}, seed {run.seed}: {run.state}{f', {run.reason}' if run.reason else ''}"
        for cell in summary.cells
        for run in cell.runs
        if run.state not in ("done", "planned")
    ]
