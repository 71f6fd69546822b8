"""The demo page of a model: a single HTML file without external files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from attrs import field, frozen

from ..contracts.showcase import Showcase
from .markup import Markup, join, tag
from .sections import (
    answers,
    colophon,
    curves,
    diagram,
    drawings,
    finished_studies,
    header,
    next_steps,
    recipe_text,
    score_table,
)
from .series import Series


@frozen
class ShownScore:
    """One score in [0, 1]: on the page's sample of ``count`` items, and in the full evaluation where it is known."""

    group: str
    name: str
    sample: float
    count: int
    full: float | None = None


@frozen(eq=False)
class DemoPage:
    """Contents of the page. Empty ones are left out.

    ``facts``: (number, unit) below the title. ``diagram``: an SVG element. ``commands``: (command, description) to try.
    ``studies``: (file, description) of pages of finished studies. ``settings``: name -> value of the settings behind
    the numbers, for the end of the page.
    """

    name: str
    description: str
    facts: tuple[tuple[str, str], ...] = ()
    showcase: Showcase = field(factory=Showcase)
    scores: tuple[ShownScore, ...] = ()
    curve: Mapping[str, Series] = field(factory=dict)
    curve_note: str = ""
    diagram: str = ""
    recipe: str = ""
    commands: tuple[tuple[str, str], ...] = ()
    studies: tuple[tuple[str, str], ...] = ()
    settings: Mapping[str, str] = field(factory=dict)


def page_html(page: DemoPage) -> str:
    """Return the page as the text of one HTML file."""
    shown = page.showcase
    sections = [
        header(page.name, page.description, page.facts),
        drawings(shown.drawn) if shown.drawn else None,
        answers(shown.own, shown.others) if shown.own or shown.others else None,
        score_table(page.scores) if page.scores else None,
        curves(page.curve, page.curve_note) if page.curve else None,
        diagram(Markup(page.diagram)) if page.diagram else None,
        recipe_text(page.name, page.recipe) if page.recipe else None,
        next_steps(page.commands) if page.commands else None,
        finished_studies(page.studies) if page.studies else None,
        colophon(page.settings),
    ]
    return document(page.name, [section for section in sections if section is not None], "page.css")


def document(title: str, sections: list[Markup], *styles: str, css: str = "") -> str:
    """Return an HTML file with these sections in the colours of ``palette.css``.

    ``styles`` name files in this package, ``css`` is one more sheet.
    """
    sheets = ("palette.css", *styles)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · janiform"),
        *(Markup(f"<style>\n{files(__package__).joinpath(style).read_text('utf-8')}</style>") for style in sheets),
        Markup(f"<style>\n{css}\n</style>") if css else None,
    )
    return f'<!doctype html>\n<html lang="en">\n{head}\n{tag("body", tag("main", join(sections)))}\n</html>\n'
