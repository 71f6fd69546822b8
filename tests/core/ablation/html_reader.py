"""Reads a page as a browser's parser would, and notes what tests ask about."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "img", "input"}
NUMBERS = ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "d", "viewbox")


class Reader(HTMLParser):
    """Checks that elements are closed in order. ``rows``: the text of each table's cells, by the table's label."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, dict[str, str]]] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.labelled: list[str] = []
        self.addresses: list[str] = []
        self.numbers: list[str] = []
        self.rows: dict[str, list[list[str]]] = {}
        self.bold: list[str] = []
        self.points: list[tuple[float, float, float, float]] = []
        self.text = ""
        self._label = ""
        self._view = (0.0, 0.0)
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attributes}
        assert len(values) == len(attributes), f"{name} repeats an attribute"
        self.tags.append(name)
        self.ids += [values["id"]] if "id" in values else []
        self.labelled += [values["for"]] if "for" in values else []
        self.addresses += [values[key] for key in ("src", "href", "srcset", "data", "action") if key in values]
        self.numbers += [values[key] for key in NUMBERS if key in values]
        if name == "svg":
            self._view = tuple(float(part) for part in values["viewbox"].split()[2:])  # type: ignore[assignment]
        if name == "circle":
            self.points.append((float(values["cx"]), float(values["cy"]), *self._view))
        if values.get("class", "").startswith("scroll"):
            self._label = values["aria-label"]
        if name == "tr":
            self.rows.setdefault(self._label, []).append([])
        if name in ("td", "th") and self.rows:
            self.rows[self._label][-1].append("")
        if name not in VOID:
            self.open.append((name, values))

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(name, attributes)
        if name not in VOID:
            self.open.pop()

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop()[0] == name

    def handle_data(self, data: str) -> None:
        names = [name for name, _ in self.open]
        if "style" in names:
            return
        self.text += data
        if "strong" in names:
            self.bold.append(data)
        if "td" in names or "th" in names:
            self.rows[self._label][-1][-1] += data

    def row(self, label: str, cell: str) -> list[str]:
        """The texts of the row of a cell, in the table with this label."""
        return next(
            row for row in self.rows[label] if any(re.match(rf"\d+{re.escape(cell)}", text) for text in row[:2])
        )
