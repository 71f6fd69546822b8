"""The parts of the page, in the order of reading: each takes data and gives one element."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from ..contracts.showcase import Answered, Drawn
from .chart import curve_svg
from .markup import Markup, data_uri, escaped, join, tag
from .series import Series
from .toml import highlighted

if TYPE_CHECKING:
    from .demo_page import Score

_MARK = Markup(
    '<svg class="mark" viewBox="0 0 64 64" aria-hidden="true">'
    '<path class="face look" d="M31 6 A26 26 0 0 0 31 58 Z"/><path class="face draw" d="M33 6 A26 26 0 0 1 33 58 Z"/>'
    '<circle class="eye" cx="20" cy="26" r="4.2"/><path class="stroke" d="M40 38 C44 28 47 45 52 30"/></svg>'
)
"""Two faces in one circle: one has an eye, the other draws a line."""


def header(name: str, description: str, facts: Iterable[tuple[str, str]]) -> Markup:
    """The name, what it is, and a few figures."""
    figures = [tag("div", tag("dt", unit), tag("dd", figure)) for figure, unit in facts]
    return tag(
        "header",
        _MARK,
        tag("p", "janiform", class_="kicker"),
        tag("h1", name),
        tag("p", description, class_="lead"),
        tag("dl", join(figures), class_="facts") if figures else None,
    )


def drawings(drawn: Sequence[Drawn]) -> Markup:
    """Pictures with their prompts and verdicts."""
    right = sum(item.correct for item in drawn)
    figures = [
        tag(
            "figure",
            tag("img", src=data_uri(item.picture), alt=f"Drawn for: {item.prompt}", width=256, height=256),
            tag("figcaption", tag("span", item.prompt, class_="prompt"), _verdict(item.correct, item.verdict)),
        )
        for item in drawn
    ]
    lead = (
        f"{_number(len(drawn))} prompt{'s' * (len(drawn) > 1)}, one picture each, nothing picked out. A verifier that "
        "knows nothing of the model reads every picture and compares what it finds with the prompt: "
        f"{right} of {len(drawn)} are as asked."
    )
    return section("It draws", lead, tag("div", join(figures), class_="gallery"))


def answers(own: Sequence[Answered], others: Sequence[Answered]) -> Markup:
    """Questions and answers, by picture."""
    everything = [*own, *others]
    right = sum(item.correct for item in everything)
    lead = f"The same weights, turned around: {right} of {len(everything)} answers on this page are right."
    blocks: list[Markup] = []
    for title, items in (("About pictures that it drew itself", own), ("About pictures that it never saw", others)):
        if items:
            cards = [_card(list(group)) for _, group in groupby(items, key=lambda item: id(item.picture))]
            blocks += [tag("h3", title), tag("div", join(cards), class_="cards")]
    return section("It looks", lead, *blocks)


def score_table(scores: Sequence[Score]) -> Markup:
    """The sample's scores beside those of the full evaluation."""
    full = any(score.full is not None for score in scores)
    heads = [tag("th", "", scope="col"), tag("th", "this sample", scope="col", class_="number")]
    heads += [tag("th", "of", scope="col", class_="number")]
    heads += [tag("th", "full evaluation", scope="col", class_="number")] if full else []
    rows: list[Markup] = []
    for index, (group, members) in enumerate(groupby(scores, key=lambda score: score.group)):
        title = tag("th", _words(group), colspan=4 + full, scope="rowgroup")
        body = [_score_row(score, full, f"series-{index % 6}") for score in members]
        rows.append(tag("tbody", tag("tr", title, class_="group"), join(body)))
    heads.append(tag("th", "bar: this sample, mark: full evaluation" if full else "", scope="col"))
    table = tag("table", tag("thead", tag("tr", join(heads))), join(rows), class_="scores")
    lead = "A sample measured while this page was made"
    lead += ", and the full evaluation that ships with the weights." if full else "."
    return section("How well", lead, tag("div", table, class_="scroll"))


def curves(series: Mapping[str, Series], note: str) -> Markup:
    """The losses of a short training run."""
    return section("It learns", note, tag("figure", curve_svg(series), class_="wide"))


def diagram(svg: Markup) -> Markup:
    """The composed model."""
    lead = "Every part is a component that a plugin registered; composing the recipe derived every width on the edges."
    return section("What it is made of", lead, tag("figure", svg, class_="wide diagram"))


def recipe_text(name: str, text: str) -> Markup:
    """The recipe, with its tokens told apart."""
    lead = "The whole model as data. Change one line of a copy, and `janiform check` tells whether it still fits."
    return section("The recipe", lead, tag("pre", tag("code", highlighted(text.strip())), tabindex=0, aria_label=name))


def next_steps(commands: Iterable[tuple[str, str]]) -> Markup:
    """Commands to try."""
    rows = [tag("li", tag("span", what), tag("code", command)) for command, what in commands]
    return section("Your turn", "", tag("ul", join(rows), class_="commands"))


def colophon(settings: Mapping[str, str]) -> Markup:
    """What belongs to the numbers."""
    pairs = [tag("div", tag("dt", key), tag("dd", value)) for key, value in settings.items()]
    made = "Made by janiform, from one recipe and one set of weights, in one file."
    return tag("footer", tag("p", made), tag("dl", join(pairs)) if pairs else None)


def section(title: str, lead: str, *children: Markup) -> Markup:
    """A heading, a sentence in which backquotes mark code, and what follows."""
    return tag("section", tag("h2", title), tag("p", _code(lead), class_="lead") if lead else None, *children)


def _verdict(correct: bool, said: str) -> Markup:
    return tag("span", said, class_=f"verdict {'right' if correct else 'wrong'}")


def _card(items: Sequence[Answered]) -> Markup:
    lines = [
        tag(
            "div",
            tag("dt", item.question),
            tag(
                "dd",
                tag("span", item.answer or "(nothing)", class_=f"verdict {'right' if item.correct else 'wrong'}"),
                None if item.correct else tag("span", f"expected {item.expected}", class_="expected"),
            ),
        )
        for item in items
    ]
    picture = tag("img", src=data_uri(items[0].picture), alt="The picture asked about", width=160, height=160)
    return tag("div", picture, tag("dl", join(lines)), class_="card")


def _score_row(score: Score, full: bool, colour: str) -> Markup:
    marks = [tag("span", class_=f"bar {colour}", style=f"width:{100 * score.sample:.1f}%")]
    if score.full is not None:
        marks.append(tag("span", class_="target", style=f"left:{100 * score.full:.1f}%"))
    cells = [
        tag("th", _words(score.name), scope="row"),
        tag("td", f"{score.sample:.2f}", class_="number"),
        tag("td", f"{score.count}", class_="number count"),
    ]
    cells += [tag("td", "–" if score.full is None else f"{score.full:.3f}", class_="number full")] if full else []
    cells += [tag("td", tag("span", join(marks), class_="track"), class_="chart")]
    return tag("tr", join(cells), class_="overall" if score.name == "overall" else None)


def _code(text: str) -> Markup:
    """Text in which what stands between backquotes is code."""
    pieces = text.split("`")
    return join([tag("code", piece) if index % 2 else escaped(piece) for index, piece in enumerate(pieces)])


def _words(name: str) -> str:
    return name.replace("_", " ")


def _number(count: int) -> str:
    """A number at the beginning of a sentence."""
    return dict(enumerate(_NUMBERS.split(), start=1)).get(count, str(count))


_NUMBERS = "One Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve Thirteen Fourteen Fifteen Sixteen"
