"""Syntax highlighting of TOML for a page."""

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
    """The text, escaped, with every table, key, string, number and comment in a ``span`` of its own class."""
    parts: list[Markup] = []
    end = 0
    for match in _TOKEN.finditer(text):
        parts.append(escaped(text[end : match.start()]))
        parts.append(tag("span", match.group(), class_=f"toml-{match.lastgroup}"))
        end = match.end()
    return join([*parts, escaped(text[end:])])
