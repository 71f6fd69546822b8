"""The page about one run or several: curves, samples, differences, recipe and provenance in one HTML file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import JaniformError
from ..recipe import Side, diff, read_recipe
from ..storage.atomic import write_text
from ..train.run.record import RunRecord, SampleFile, labels, read_run
from ..units import count, duration
from .chart import Chart, Line, chart_figure
from .demo_page import document
from .markup import Markup, file_uri, join, tag
from .sections import colophon, header, section
from .series import Series, smoothed_end
from .tokenizer import tokenizer_block
from .toml import highlighted

SHEETS = 4
"""Largest number of sample sheets per stage: the last one, and some earlier ones."""

_LARGEST = 1e100
"""Largest value in a chart: sums and spans of larger ones are beyond floats."""

Metric = Callable[[dict[str, Any]], Any]
_METRICS: tuple[tuple[str, Metric, str, bool], ...] = (
    ("learning rate", lambda line: line.get("learning_rate"), "", True),
    ("gradient norm", lambda line: line.get("grad_norm"), "", True),
    ("tokens per second", lambda line: line.get("tokens_per_second"), "", True),
    ("samples per second", lambda line: line.get("samples_per_second"), "", True),
    ("MFU", lambda line: _percent(line.get("mfu")), " %", True),
    ("packing", lambda line: _percent(line.get("packing")), " %", False),
    ("waiting for data", lambda line: _percent(line.get("data_wait")), " %", True),
    ("memory", lambda line: (line.get("memory") or 0) / 1e9 or None, " GB", True),
)
"""Charts of a run beside its losses: title, value in a line of the log, unit, whether the axis begins at zero."""


def write_report(folders: Sequence[Path], out: Path, note: Callable[[str], None] | None = None) -> Path:
    """Read the folders of runs, write the page and return ``out``.

    Args:
        note: called with a sentence for each damaged file or part of one, which the page leaves out.

    Raises:
        UsageError: a folder is not a run.
        StorageError: the page cannot be written.
    """
    runs = [read_run(folder) for folder in folders]
    if note is not None:
        for problem in (problem for run in runs for problem in run.problems):
            note(problem)
    write_text(out, report_html(runs))
    return out


def report_html(runs: Sequence[RunRecord]) -> str:
    """The page about one run, or several in common charts, as the text of one HTML file."""
    names = labels(runs)
    alone = runs[0] if len(runs) == 1 else None
    title = alone.name if alone else f"{len(runs)} runs"
    lead = alone.description if alone else "Each chart shows the same metric of every run."
    sections = [
        header(title, lead, _facts(alone) if alone else ()),
        *(tag("p", problem, class_="note") for run in runs for problem in _notes(run)),
        None if alone else _legend(runs, names),
        _switch(),
        *_learning(runs, names),
        None if alone else _differences(runs, names),
        *(_samples(run, "" if alone else name) for run, name in zip(runs, names, strict=True)),
        _running(runs, names),
        *(_recipe(run, name, open_=alone is not None) for run, name in zip(runs, names, strict=True)),
        colophon(_provenance(alone)) if alone else _provenances(runs, names),
    ]
    return document(title, [part for part in sections if part is not None], "page.css", "report.css")


def _notes(run: RunRecord) -> tuple[str, ...]:
    return run.problems if run.log else (*run.problems, f"{run.folder.name} has logged no step yet.")


def _facts(run: RunRecord) -> list[tuple[str, str]]:
    """The numbers below the title."""
    if not run.log:
        return []
    last = run.log[-1]
    tokens = sum(line.get("tokens") or 0 for line in run.log)
    samples = sum((run.model.get("samples") or {}).values())
    facts = [(f"{last['total']:,}", "steps"), (_time(last), "of training")]
    if skipped := sum(line.get("skipped_steps") or 0 for line in run.log):
        facts.append((f"{skipped:,}", "steps changed nothing" if skipped > 1 else "step changed nothing"))
    if samples:
        facts.append((count(samples), "samples"))
    if tokens:
        facts.append((count(tokens), "tokens"))
    facts.append((str(len(run.stages)), "stages" if len(run.stages) > 1 else "stage"))
    if not run.model:
        facts.append((f"{last['step']}/{last['steps']}", f"of {last['stage']}, so far"))
    return facts


def _time(entry: dict[str, Any]) -> str:
    seconds = entry.get("time", 0.0)
    return duration(seconds) if _drawable(seconds) else "–"


def _legend(runs: Sequence[RunRecord], names: Sequence[str]) -> Markup:
    rows = []
    for number, (run, name) in enumerate(zip(runs, names, strict=True)):
        last = run.log[-1] if run.log else {"total": 0, "time": 0.0}
        rows.append(
            tag(
                "li",
                tag("span", "", class_=f"swatch series-{number % 6}"),
                tag("strong", name),
                tag("span", run.name if run.name != name else "", class_="soft"),
                tag("span", f"{last['total']:,} steps, {duration(last.get('time', 0.0))}", class_="soft"),
            )
        )
    return tag("ul", join(rows), class_="legend")


def _switch() -> Markup:
    box = Markup('<input type="checkbox" id="logarithmic">')
    return tag("p", box, tag("label", "logarithmic axes", for_="logarithmic"), class_="switch")


def _learning(runs: Sequence[RunRecord], names: Sequence[str]) -> Iterator[Markup]:
    """A section per stage, with a chart per loss and per metric of the objective."""
    order = list(dict.fromkeys(stage for run in runs for stage in run.stages))
    for stage in order:
        lines = [[line for line in run.log if line["stage"] == stage] for run in runs]
        charts = [
            chart_figure(Chart(what, list(_lines(lines, names, kind, what)))) for what, kind in _measured(lines).items()
        ]
        shown = [chart for chart in charts if chart is not None]
        if shown:
            steps = max(line["step"] for some in lines for line in some)
            lead = f"{steps:,} steps. Losses are means over predictions, before weights; the bold line is smoothed."
            yield section(stage, lead, tag("div", join(shown), class_="charts"))


def _measured(lines: Sequence[list[dict[str, Any]]]) -> dict[str, str]:
    """Name of a loss or metric of a stage -> the entry of the log's lines that holds it."""
    entries: dict[str, str] = {}
    for kind in ("losses", "figures"):
        for what in (what for some in lines for line in some for what in line.get(kind, {})):
            entries.setdefault(what, kind)
    return entries


def _lines(lines: Sequence[list[dict[str, Any]]], names: Sequence[str], kind: str, what: str) -> Iterator[Line]:
    for number, (some, name) in enumerate(zip(lines, names, strict=True)):
        points = [(line["step"], line[kind][what]) for line in some if _drawable(line.get(kind, {}).get(what))]
        yield Line(name, number if len(names) > 1 else _colour(what), points)


def _colour(what: str) -> int:
    """Number of the colour, as on the demo page: drawing is red, looking is blue, text is green."""
    return {"generation": 0, "understanding": 1, "text": 2}.get(what, sum(map(ord, what)) % 3 + 3)


def _running(runs: Sequence[RunRecord], names: Sequence[str]) -> Markup | None:
    """Charts of throughput, memory and other metrics over all steps."""
    marks: dict[str, float] = {}
    if len(runs) == 1:
        for line in runs[0].log:
            marks.setdefault(f"{line['stage']} begins", line["total"] - line["step"])
    charts = []
    for title, metric, unit, zero in _METRICS:
        lines = [
            Line(name, number if len(runs) > 1 else 5, _series(run, metric))
            for number, (run, name) in enumerate(zip(runs, names, strict=True))
        ]
        charts.append(chart_figure(Chart(title, lines, marks, zero, unit, smooth=title != "learning rate")))
    shown = [chart for chart in charts if chart is not None]
    if not shown:
        return None
    lead = "Over all steps of the run" + (
        "; a thin vertical line marks the beginning of a stage." if len(marks) > 1 else "."
    )
    return section("Throughput and memory", lead, tag("div", join(shown), class_="charts"))


def _series(run: RunRecord, metric: Metric) -> Series:
    points = ((line["total"], metric(line)) for line in run.log)
    return [(x, y) for x, y in points if _drawable(y)]


def _differences(runs: Sequence[RunRecord], names: Sequence[str]) -> Markup | None:
    """Tables of the final losses, and of the differences between the recipes."""
    blocks = [_table("Final losses", names, _endings(runs), numbers=True)]
    rows: dict[str, list[str]] = {}
    try:
        recipes = [read_recipe(run.folder / "recipe.toml") for run in runs]
        for number, other in enumerate(recipes[1:], start=1):
            for difference in diff(recipes[0], other):
                row = rows.setdefault(difference.path, [_value(difference.left)] * len(runs))
                row[number] = _value(difference.right)
    except JaniformError:  # a plugin is not installed here; the losses are shown anyway
        rows = {}
    rows.pop("name", None)
    rows.pop("description", None)
    if rows:
        blocks.append(_table("Differences between their recipes", names, rows, numbers=False))
    return section("Side by side", "", *[block for block in blocks if block is not None])


def _endings(runs: Sequence[RunRecord]) -> dict[str, list[str]]:
    endings: dict[str, list[float | None]] = {}
    for number, run in enumerate(runs):
        series: dict[str, list[tuple[float, float]]] = {}
        for line in run.log:
            for what, value in line["losses"].items():
                if _drawable(value):
                    series.setdefault(f"{line['stage']} · {what}", []).append((line["step"], value))
        for what, points in series.items():
            endings.setdefault(what, [None] * len(runs))[number] = smoothed_end(points)
    return {
        what: ["–" if value is None else f"{value:.4g}" for value in values] for what, values in sorted(endings.items())
    }


def _table(title: str, names: Sequence[str], rows: dict[str, list[str]], *, numbers: bool) -> Markup | None:
    if not rows:
        return None
    heads = [tag("th", "", scope="col")]
    heads += [
        tag("th", tag("span", "", class_=f"swatch series-{number % 6}"), name, scope="col")
        for number, name in enumerate(names)
    ]
    body = []
    for what, values in rows.items():
        best = min(map(float, set(values) - {"–"}), default=None) if numbers and len(set(values)) > 1 else None
        cells = [
            tag("td", value, class_="best" if best is not None and value != "–" and float(value) == best else None)
            for value in values
        ]
        body.append(tag("tr", tag("th", tag("code", what), scope="row"), join(cells)))
    table = tag("table", tag("thead", tag("tr", join(heads))), tag("tbody", join(body)), class_="sides")
    return join([tag("h3", title), tag("div", table, class_="scroll")])


def _value(side: Side | None) -> str:
    return "–" if side is None else str(side.value)


def _samples(run: RunRecord, name: str) -> Markup | None:
    """The last sheet and answers of every stage, and some earlier sheets to unfold."""
    blocks: list[Markup] = []
    for stage in dict.fromkeys(sample.stage for sample in run.samples):
        samples = sorted((sample for sample in run.samples if sample.stage == stage), key=lambda sample: sample.step)
        last = samples[-1]
        blocks.append(tag("h3", f"{stage}, after step {last.step:,}"))
        if last.picture is not None:
            blocks.append(_sheet(last))
        quality = tokenizer_block(stage, samples, run.log)
        blocks += [] if quality is None else [quality]
        if last.answers:
            blocks.append(_answers(last))
        sheets = [sample for sample in samples[:-1] if sample.picture is not None]
        earlier = sheets[:: -(-len(sheets) // (SHEETS - 1)) or 1] if sheets else []
        if earlier:
            inside = [tag("p", f"after step {sample.step:,}", class_="note") + _sheet(sample) for sample in earlier]
            blocks.append(tag("details", tag("summary", "earlier"), join(list(map(Markup, inside)))))
    if not blocks:
        return None
    lead = "The same examples every time, not selected."
    return section(f"Samples{f': {name}' if name else ''}", lead, *blocks)


def _sheet(sample: SampleFile) -> Markup:
    description = f"Samples of {sample.stage} after step {sample.step}"
    assert sample.picture is not None
    return tag("img", src=file_uri(sample.picture), alt=description, class_="sheet")


def _answers(sample: SampleFile) -> Markup:
    heads = [tag("th", what, scope="col") for what in ("question", "answer", "in the data")]
    rows = []
    for question, answer, expected in sample.answers:
        right = answer.strip().casefold() == expected.strip().casefold()
        verdict = tag("span", answer or "(nothing)", class_="verdict right" if right else None)
        rows.append(tag("tr", tag("td", question), tag("td", verdict), tag("td", expected)))
    table = tag("table", tag("thead", tag("tr", join(heads))), tag("tbody", join(rows)), class_="sides answers")
    return tag("div", table, class_="scroll")


def _recipe(run: RunRecord, name: str, *, open_: bool) -> Markup | None:
    if not run.recipe:
        return None
    text = tag("pre", tag("code", highlighted(run.recipe.strip())), tabindex=0, aria_label=f"The recipe of {name}")
    if open_:
        lead = "Resolved: every version, preset and default is written out. `janiform train` repeats this run from it."
        return section("The recipe", lead, text)
    return tag("details", tag("summary", f"The recipe of {name}"), text, class_="whole")


def _provenance(run: RunRecord) -> dict[str, str]:
    """The provenance of a run, as text."""
    facts = {**run.facts, **run.model}
    git = facts.get("git") or {}
    commit = str(git.get("commit", ""))[:12]
    provenance = {
        "command": facts.get("command"),
        "seed": facts.get("seed"),
        "git commit": f"{commit}{' with changes' if git.get('changed') else ''}" if commit else "",
        **{str(name): version for name, version in (facts.get("versions") or {}).items()},
        "skipped steps": facts.get("skipped_steps"),
        "components": ", ".join(
            sorted({f"{entry.get('component')} ({entry.get('distribution')} {entry.get('version')})"
                    for entry in (facts.get("components") or {}).values()})
        ),
        **{f"digest of {name}": f"sha256 {digest[:16]}…" for name, digest in (facts.get("data") or {}).items()},
        "folder": str(run.folder),
    }  # fmt: skip
    return {name: str(value) for name, value in provenance.items() if value not in (None, "")}


def _provenances(runs: Sequence[RunRecord], names: Sequence[str]) -> Markup:
    parts = [
        tag("details", tag("summary", f"Provenance of {name}"), colophon(_provenance(run)), class_="whole")
        for run, name in zip(runs, names, strict=True)
    ]
    return join(parts)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _drawable(value: Any) -> bool:
    """Whether a value of a log is a number that a chart can show."""
    return _is_number(value) and abs(value) <= _LARGEST


def _percent(share: Any) -> float | None:
    return 100 * share if isinstance(share, int | float) else None
