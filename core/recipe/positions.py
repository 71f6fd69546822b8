"""The line of every key of a TOML text, for error messages: ``tomllib`` gives the values without positions."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the top of a file to a value: ``("generation", "adapter", "depth")``."""

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}(?!")|\'\'\'.*?'{3,5}(?!')|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''', re.DOTALL
)
_SCALAR = re.compile(r"[^\n,#\]}]+")


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of every key, table and list item of a text that ``tomllib`` accepts.

    The line of a table is where it is first named: its header, or the first dotted key that contains it.
    """
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    """Scans a valid text once, looking only at the separators of keys and values."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.newlines = [match.start() for match in re.finditer("\n", text)]
        self.lines: dict[KeyPath, int] = {}
        self.last_item: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self.skip(_BLANK)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip(_BLANK)
        return self.lines

    def header(self) -> KeyPath:
        many = self.text.startswith("[[", self.at)
        self.at += 2 if many else 1
        line = self.line()
        *outer, last = self.keys()
        self.at += 2 if many else 1
        path: KeyPath = ()
        for key in outer:
            path = self.latest(self.name(path, key, line))
        path = self.name(path, last, line)
        if many:
            self.last_item[path] = self.last_item.get(path, -1) + 1
            path = self.latest(path)
            self.lines[path] = line
        return path

    def latest(self, path: KeyPath) -> KeyPath:
        """The path with its last index where it is an array of tables: headers below it belong to the newest table."""
        return (*path, self.last_item[path]) if path in self.last_item else path

    def pair(self, path: KeyPath) -> None:
        line = self.line()
        for key in self.keys():
            path = self.name(path, key, line)
        self.at += 1
        self.skip(_SPACE)
        self.value(path)

    def keys(self) -> list[str]:
        keys = []
        while True:
            self.skip(_SPACE)
            match = _KEY.match(self.text, self.at)
            assert match, f"no key at offset {self.at} of a valid text"
            self.at = match.end()
            keys.append(_unquoted(match.group()))
            self.skip(_SPACE)
            if self.text[self.at] != ".":
                return keys
            self.at += 1

    def value(self, path: KeyPath) -> None:
        opening = self.text[self.at]
        if opening in "\"'":
            self.skip(_STRING)
        elif opening in "[{":
            self.at += 1
            self.items(path, closing="]" if opening == "[" else "}")
        else:
            self.skip(_SCALAR)

    def items(self, path: KeyPath, closing: str) -> None:
        index = 0
        self.skip(_BLANK)
        while self.text[self.at] != closing:
            if closing == "]":
                self.lines[(*path, index)] = self.line()
                self.value((*path, index))
                index += 1
            else:
                self.pair(path)
            self.skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1
                self.skip(_BLANK)
        self.at += 1

    def name(self, path: KeyPath, key: str, line: int) -> KeyPath:
        path = (*path, key)
        self.lines.setdefault(path, line)
        return path

    def line(self) -> int:
        return bisect_right(self.newlines, self.at - 1) + 1

    def skip(self, pattern: re.Pattern[str]) -> None:
        if match := pattern.match(self.text, self.at):
            self.at = match.end()


def _unquoted(key: str) -> str:
    if key[0] == '"':
        return str(tomllib.loads(f"key = {key}")["key"])
    return key.strip("'")
