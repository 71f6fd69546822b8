"""TOML with its tables, keys, strings, numbers and comments told apart, for reading on a page."""

from __future__ import annotations

import re

from .markup import Markup, escaped, join, tag

_TOKEN = re.compile(
    r"""
    (?P<comment>\#.*$)
  | (?P<table>^\s*\[\[?[^\]\n]*\]\]?)
  | (?P<string>\"\"\"(?:.|\n)*?\"\"\"|'''(?:.|\n)*?'''|"(?:\\.|[^"\\\n])*"|'[^'\n]*')(?!\s*=)
  | (?P<key>(?:"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[A-Za-z0-9_.-]+)(?=\s*=))
  | (?P<number>(?<![\w.])[+-]?(?:\d[\d_]*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|\b(?:true|false|inf|nan)\b)
    """,
    re.VERBOSE | re.MULTILINE,
)


def highlighted(text: str) -> Markup:
    """The text, escaped, with a ``span`` about every token that has a class of its own."""
    parts: list[Markup] = []
    place = 0
    for match in _TOKEN.finditer(text):
        parts.append(escaped(text[place : match.start()]))
        parts.append(tag("span", match.group(), class_=f"toml-{match.lastgroup}"))
        place = match.end()
    return join([*parts, escaped(text[place:])])
