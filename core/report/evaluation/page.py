"""The page of evaluations: one model or several, with all benchmarks of each, in one HTML file without scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...evaluate.compare import protocol
from ...evaluate.results import PAGE, Result, read_results
from ...storage.atomic import write_text
from ..demo_page import document
from ..markup import Markup, join, tag
from ..sections import header, section
from .bars import category_bars
from .examples import example_cards
from .scores import Compared, overview, score_tables
from .words import figure, label

_SHOWN = ("profile", "prompt", "extraction", "aggregation", "format", "limit", "judge", "split", "seed")
"""Settings that are shown above the scores of a benchmark; all of them are at the end of the page."""


def write_evaluation_page(paths: Sequence[Path], out: Path | None) -> Path:
    """Read evaluations, write their page and return its path; by default that of one evaluation lies in its folder.

    Raises ``UsageError`` where there are no scores, and ``StorageError`` for damaged files.
    """
    results = [read_results(path) for path in paths]
    names = _names(paths, results)
    if out is None:
        folder = paths[0] if paths[0].is_dir() else paths[0].parent
        out = folder / PAGE if len(paths) == 1 else Path("report.html")
    write_text(out, evaluation_html(dict(zip(names, results, strict=True))))
    return out


def evaluation_html(models: Mapping[str, Mapping[str, Result]]) -> str:
    """The page as the text of one HTML file. ``models``: name of a model -> name of a benchmark -> its result."""
    names = list(models)
    benchmarks = [
        Compared.of(name, {model: results[name] for model, results in models.items() if name in results})
        for name in dict.fromkeys(name for results in models.values() for name in results)
    ]
    benchmarks = [one for one in benchmarks if one.names]
    if not benchmarks:
        raise UsageError("the evaluations have no scores")
    title = names[0] if len(names) == 1 else f"{len(names)} models"
    sections = [
        header(title, _lead(names), _facts(benchmarks) if len(names) == 1 else ()),
        section("Overview", "", overview(benchmarks, names)) if len(names) > 1 or len(benchmarks) > 1 else None,
        *(_benchmark(one, names) for one in benchmarks),
        _settings(models),
    ]
    styles = files(__package__).joinpath("evaluation.css").read_text("utf-8")
    return document(title, [part for part in sections if part is not None], "page.css", "report.css", css=styles)


def _lead(names: Sequence[str]) -> str:
    text = "Scores with 95 % intervals over the items of each benchmark."
    if len(names) > 1:
        text += f" Differences are to {names[0]}, by item where both answered the same items."
    return text


def _facts(benchmarks: Sequence[Compared]) -> list[tuple[str, str]]:
    facts = []
    for one in benchmarks[:9]:
        score = next(iter(one.results.values())).scores[one.headline]
        facts.append((figure(score.value), f"{one.name}: {label(one.headline)}"))
    return facts


def _benchmark(benchmark: Compared, models: Sequence[str]) -> Markup:
    present = [model for model in models if model in benchmark.results]
    blocks = [_protocol(benchmark), score_tables(benchmark, present), *category_bars(benchmark, present)]
    cards = example_cards(benchmark, present)
    if cards is not None:
        note = (
            "Right and wrong outputs, at equal distances through the benchmark"
            if len(present) == 1
            else ("Those on which the models differ come first")
        )
        blocks += [tag("h3", "Examples"), tag("p", f"{note}.", class_="note"), cards]
    return section(benchmark.name, "", *blocks)


def _protocol(benchmark: Compared) -> Markup:
    first = next(iter(benchmark.results.values()))
    pairs = [
        tag("div", tag("dt", name), tag("dd", _text(value)))
        for name, value in protocol(first.settings).items()
        if name in _SHOWN and value not in (None, "", 0)
    ]
    notes = [f"{model}: {sentence}" for model, result in benchmark.results.items() for sentence in result.notes]
    notes += [
        f"{model} was measured in another way, so it is not compared: {'; '.join(lines)}."
        for model, lines in benchmark.other_protocols.items()
    ]
    return join([tag("dl", join(pairs), class_="protocol"), *(tag("p", note, class_="note") for note in notes)])


def _settings(models: Mapping[str, Mapping[str, Result]]) -> Markup:
    """All settings of every result, to unfold."""
    blocks = []
    for model, results in models.items():
        for name, result in results.items():
            pairs = [tag("div", tag("dt", key), tag("dd", _text(value))) for key, value in result.settings.items()]
            blocks.append(tag("details", tag("summary", f"{model}, {name}"), tag("dl", join(pairs))))
    return tag("footer", tag("p", "The settings behind the numbers."), *blocks)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(member)}" for key, member in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return str(value)


def _names(paths: Sequence[Path], results: Sequence[Mapping[str, Result]]) -> list[str]:
    """A name for each evaluation: that of its model, or of its folder where models have one name."""
    models = []
    for path, benchmarks in zip(paths, results, strict=True):
        given = {str(result.settings.get("model", "")) for result in benchmarks.values()}
        models.append(given.pop() if len(given) == 1 and "" not in given else path.resolve().name)
    if len(set(models)) == len(models):
        return models
    folders = [(path if path.is_dir() else path.parent).resolve() for path in paths]
    names = [folder.name for folder in folders]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]
