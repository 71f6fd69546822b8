"""The end of a page: a caption for the tables, written out, and where the numbers come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...report.markup import Markup, tag
from ...report.sections import colophon, section
from ...report.toml import highlighted
from .summary import Summary
from .words import better, listed, metric_label, plural


def caption(summary: Summary) -> str:
    """A caption for the main table: seeds, items, intervals, what is held equal, date and commit."""
    return " ".join(_caption(summary))


def caption_section(summary: Summary) -> Markup:
    return section("Caption", "To be quoted with the tables.", tag("blockquote", caption(summary), class_="caption"))


def study_text(summary: Summary) -> Markup | None:
    """The study's file, with highlighted syntax."""
    text = summary.results.study_text.strip()
    if not text:
        return None
    code = tag("pre", tag("code", highlighted(text)), tabindex=0, aria_label="The study's file")
    return section("The study's file", "`janiform ablate` makes this page from it.", code)


def provenance(summary: Summary) -> Markup:
    """Versions, settings of evaluations and digests of weights, as far as they were recorded."""
    results = summary.results
    facts = dict(_flat("", results.provenance))
    for name, settings in results.evaluations.items():
        facts.update(_flat(f"evaluation {name}", settings))
    if results.tokenizer:
        facts["text tokenizer"] = results.tokenizer
    if results.left_out:
        facts["left out of the grid"] = ", ".join(results.left_out)
    resumed = sum(run.resumes > 0 for cell in results.cells for run in cell.runs)
    skipped = sum(run.skipped_steps for cell in results.cells for run in cell.runs)
    facts |= {"runs that were resumed": str(resumed)} if resumed else {}
    facts |= {"skipped steps of all runs": f"{skipped:,}"} if skipped else {}
    facts |= {"written": results.written} if results.written else {}
    for cell in results.cells:
        digests = [f"seed {run.seed}: {run.weights_sha256[:16]}…" for run in cell.runs if run.weights_sha256]
        if digests:
            facts[f"weights of {cell.name}, sha256"] = ", ".join(digests)
    return colophon(facts)


def commit(provenance_: Mapping[str, Any]) -> str:
    """The git commit, and whether files were changed; empty where it is not known."""
    git = provenance_.get("git")
    if not isinstance(git, Mapping) or not git.get("commit"):
        return ""
    return f"{str(git['commit'])[:12]}{' with changes' if git.get('changed') else ''}"


def _flat(prefix: str, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        name = f"{prefix} {key}".strip().replace("_", " ")
        if isinstance(inner, Mapping):
            yield from _flat(name, inner)
        elif inner not in (None, "", []):
            yield name, ", ".join(map(str, inner)) if isinstance(inner, list | tuple) else str(inner)


def _caption(summary: Summary) -> Iterator[str]:
    results, primary = summary.results, summary.primary
    yield f"Study “{results.name}”: {plural(len(results.cells), 'cell')}, {_seeds(summary)}."
    if primary is not None:
        yield f"Primary metric: {metric_label(primary.name)} ({better(primary.facts)}); all others are exploratory."
    if items := _items(summary):
        yield items
    if primary is not None and primary.compared is not None and primary.judged:
        yield _intervals(summary)
    if results.equal:
        yield f"Held equal: {results.equal.rstrip('.')}."
    if results.tokenizer:
        yield f"{results.tokenizer.rstrip('.')}."
    made = [
        part
        for part in (results.written[:10], f"commit {commit(results.provenance)}" if commit(results.provenance) else "")
        if part
    ]
    if made:
        yield f"{', '.join(made)}."


def _seeds(summary: Summary) -> str:
    done = [sum(run.state == "done" for run in cell.runs) for cell in summary.cells]
    planned = plural(len(summary.results.planned_seeds), "planned seed")
    least, most = min(done), max(done)
    return f"{least if least == most else f'{least} to {most}'} done of {planned} each"


def _items(summary: Summary) -> str:
    counts: dict[str, int] = {}
    for cell in summary.cells:
        for run in cell.runs:
            for metric in summary.headline:
                if metric.name in run.scores and run.scores[metric.name].count:
                    counts.setdefault(metric.name, run.scores[metric.name].count)
    parts = [f"{count:,} for {metric_label(name)}" for name, count in counts.items()]
    return f"Items per run: {listed(parts, 8)}." if parts else ""


def _intervals(summary: Summary) -> str:
    metrics = summary.headline
    pooled = [metric for metric in metrics if metric.pooled]
    own = [metric for metric in metrics if not metric.pooled and metric.half_widths]
    sentences = []
    if pooled:
        names = "" if not own else f" of {listed([metric_label(metric.name) for metric in pooled])}"
        sentences.append(
            f"±{names}: half of the 95 % interval of the difference of two cells, randomised blocks (cells × seeds); "
            "means that are further apart are distinguishable."
        )
    if own:
        names = "" if not pooled else f" of {listed([metric_label(metric.name) for metric in own])}"
        sentences.append(f"±{names}: half of the 95 % t interval of the cell's own mean over its seeds.")
    sentences.append("Bold: not distinguishable from the best at 5 %.")
    return " ".join(sentences)
