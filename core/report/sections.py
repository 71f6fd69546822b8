"""Sections of a page: each function takes data and returns one element."""

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
    from .demo_page import ShownScore

_MARK = Markup(
    '<svg class="mark" viewBox="0 0 64 64" aria-hidden="true">'
    '<path class="face look" d="M31 6 A26 26 0 0 0 31 58 Z"/><path class="face draw" d="M33 6 A26 26 0 0 1 33 58 Z"/>'
    '<circle class="eye" cx="20" cy="26" r="4.2"/><path class="stroke" d="M40 38 C44 28 47 45 52 30"/></svg>'
)
"""The logo: two faces in a circle, one with an eye, the other with a drawn line."""


def header(name: str, description: str, facts: Iterable[tuple[str, str]]) -> Markup:
    """Title, description and a few numbers."""
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
        f"{_number(len(drawn))} prompt{'s' * (len(drawn) > 1)}, one picture each, not selected. A verifier that does "
        "not know the model reads every picture and compares the content with the prompt: "
        f"{right} of {len(drawn)} match."
    )
    return section("It draws", lead, tag("div", join(figures), class_="gallery"))


def answers(own: Sequence[Answered], others: Sequence[Answered]) -> Markup:
    """Questions and answers, by picture."""
    everything = [*own, *others]
    right = sum(item.correct for item in everything)
    lead = f"The same weights answer questions: {right} of {len(everything)} answers on this page are correct."
    blocks: list[Markup] = []
    for title, items in (("About its own pictures", own), ("About pictures that it was not trained on", others)):
        if items:
            cards = [_card(list(group)) for _, group in groupby(items, key=lambda item: id(item.picture))]
            blocks += [tag("h3", title), tag("div", join(cards), class_="cards")]
    return section("It looks", lead, *blocks)


def score_table(scores: Sequence[ShownScore]) -> Markup:
    """Scores on the sample, beside those of the full evaluation."""
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
    lead = "Measured on a sample for this page"
    lead += ", and the full evaluation that ships with the weights." if full else "."
    return section("Scores", lead, tag("div", table, class_="scroll"))


def curves(series: Mapping[str, Series], note: str) -> Markup:
    """The losses of a short training run."""
    return section("It learns", note, tag("figure", curve_svg(series), class_="wide"))


def diagram(svg: Markup) -> Markup:
    """The diagram of the composed model."""
    lead = "Every part is a component of a plugin; the widths on the edges are derived from the recipe."
    return section("Its parts", lead, tag("figure", svg, class_="wide diagram"))


def recipe_text(name: str, text: str) -> Markup:
    """The recipe, with highlighted syntax."""
    lead = "The whole model as data. Change a line of a copy, and check it with `janiform check`."
    return section("The recipe", lead, tag("pre", tag("code", highlighted(text.strip())), tabindex=0, aria_label=name))


def next_steps(commands: Iterable[tuple[str, str]]) -> Markup:
    """Commands to try."""
    rows = [tag("li", tag("span", what), tag("code", command)) for command, what in commands]
    return section("Try it", "", tag("ul", join(rows), class_="commands"))


def finished_studies(studies: Iterable[tuple[str, str]]) -> Markup:
    """Links to the pages of finished studies."""
    rows = [tag("li", tag("a", description, href=file)) for file, description in studies]
    lead = (
        "Designs compared with equal budgets and several seeds, by one command each: `janiform ablate NAME --out DIR`"
    )
    return section("Finished studies", lead, tag("ul", join(rows), class_="commands"))


def colophon(settings: Mapping[str, str]) -> Markup:
    """The settings behind the numbers, at the end of the page."""
    pairs = [tag("div", tag("dt", key), tag("dd", value)) for key, value in settings.items()]
    note = "Made by janiform from one recipe and one set of weights."
    return tag("footer", tag("p", note), tag("dl", join(pairs)) if pairs else None)


def section(title: str, lead: str, *children: Markup) -> Markup:
    """A heading, a sentence in which backquotes mark code, and further elements."""
    return tag("section", tag("h2", title), tag("p", _code(lead), class_="lead") if lead else None, *children)


def _verdict(correct: bool, text: str) -> Markup:
    return tag("span", text, class_=f"verdict {'right' if correct else 'wrong'}")


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


def _score_row(score: ShownScore, full: bool, colour: str) -> Markup:
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
    """Text with code between backquotes."""
    pieces = text.split("`")
    return join([tag("code", piece) if index % 2 else escaped(piece) for index, piece in enumerate(pieces)])


def _words(name: str) -> str:
    return name.replace("_", " ")


def _number(count: int) -> str:
    """A number at the beginning of a sentence."""
    return dict(enumerate(_NUMBERS.split(), start=1)).get(count, str(count))


_NUMBERS = "One Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve Thirteen Fourteen Fifteen Sixteen"
