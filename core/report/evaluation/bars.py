"""Bars of the scores of categories: a group of bars per kind of score, with intervals as lines over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...contracts import Score
from ..markup import Markup, join, tag
from ..series import ticks
from .scores import Compared
from .words import figure, interval

_OPEN = 24
"""Number of bars up to which the first group is shown unfolded."""


def category_bars(benchmark: Compared, models: Sequence[str]) -> list[Markup]:
    """The groups of bars of a benchmark, of which the first is unfolded; none for fewer than two categories."""
    blocks: list[Markup] = []
    for title, members in categories(benchmark).items():
        rows = join(
            [_category(benchmark, name, text, models, _scale(benchmark, members)) for text, name in members.items()]
        )
        bars = tag("div", rows, class_="bars")
        if blocks or len(members) > _OPEN:
            blocks.append(tag("details", tag("summary", f"{title}: {len(members)} categories"), bars))
        else:
            blocks += [tag("h3", title), bars]
    return blocks


def categories(benchmark: Compared) -> dict[str, dict[str, str]]:
    """Title of a group -> label of a bar -> name of the score. Losses and scores that should go down have no bars."""
    names = [
        name
        for name in benchmark.names
        if name != benchmark.headline and benchmark.metrics[name].direction != "down" and not name.startswith("loss.")
    ]
    parts = {name: name.split(".") for name in names}
    lasts = [pieces[-1] for pieces in parts.values() if len(pieces) > 2]
    groups: dict[str, dict[str, str]] = {}
    for name, pieces in parts.items():
        if len(pieces) > 2 and lasts.count(pieces[-1]) > 1:
            title, text = pieces[-1], " · ".join(pieces[1:-1])
        elif len(pieces) > 2:
            title, text = pieces[1], " · ".join(pieces[2:])
        else:
            title, text = "by category", pieces[-1]
        groups.setdefault(_words(title), {})[_words(text)] = name
    return {title: members for title, members in groups.items() if len(members) > 1}


def _category(benchmark: Compared, name: str, text: str, models: Sequence[str], top: float) -> Markup:
    tracks = []
    for number, model in enumerate(models):
        result = benchmark.results.get(model)
        score = None if result is None else result.scores.get(name)
        if score is not None:
            tracks.append(_track(score, number, model, benchmark.metrics[name].chance, top))
    return tag("div", tag("span", text, class_="category", title=name), tag("div", join(tracks)), class_="bar-row")


def _track(score: Score, number: int, model: str, chance: float | None, top: float) -> Markup:
    marks = [tag("span", class_=f"bar series-{number % 6}", style=f"width:{_percent(score.value, top)}")]
    if score.low is not None and score.high is not None:
        left, right = _percent(score.low, top), _percent(top - score.high, top)
        marks.append(tag("span", class_="whisker", style=f"left:{left};right:{right}"))
    if chance is not None and 0 < chance < top:
        marks.append(tag("span", class_="chance", style=f"left:{_percent(chance, top)}", title=f"chance {chance:g}"))
    title = f"{model}: {figure(score.value)} {interval(score.low, score.high)}".strip()
    value = tag("span", figure(score.value), class_="value")
    return tag("div", tag("span", join(marks), class_="track"), value, class_="bar-line", title=title)


def _scale(benchmark: Compared, members: Mapping[str, str]) -> float:
    """The value of a full bar: 1 for fractions, else a round number above all scores and limits."""
    values = [
        value
        for result in benchmark.results.values()
        for name in members.values()
        if (score := result.scores.get(name)) is not None
        for value in (score.value, score.high or score.value)
    ]
    highest = max(values, default=1.0)
    return 1.0 if highest <= 1 else ticks(0.0, highest)[-1]


def _percent(value: float, top: float) -> str:
    return f"{100 * min(max(value / top, 0.0), 1.0):.2f}%"


def _words(name: str) -> str:
    return name.replace("_", " ")
