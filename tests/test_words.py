"""Wordings that texts of the project avoid: in strings, docstrings and comments of the code, in recipes and in docs."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parent.parent


@frozen
class Wording:
    """A pattern, why it is avoided, and what to write. ``wrong`` must match it, ``right`` must not."""

    pattern: str
    reason: str
    wrong: tuple[str, ...]
    right: tuple[str, ...]


UNITS = (
    r"tokens|samples|pictures|images|codes|bytes|values|steps|lines|parameters|[kMGT]?B|[kMGT]?FLOP/?s?|m?s|\d[\d.,]*"
)
RATES = "second|minute|hour|day|step|token|sample|picture|code|sequence|row|line|parameter|kind|part|stage"

WORDINGS = (
    Wording(
        r"(?<!there )(?<!There )\bis no (?!longer\b)",
        "say what it is not: 'is not a valid size'",
        ("'x' is no size", "is no model directory"),
        ("there is no model 'x'", "it is no longer read", "is not a valid size"),
    ),
    Wording(r"\b[Mm]end(s|ed|ing)?\b", "write 'fix'", ("mend the plugin",), ("fix the plugin", "recommended", "amend")),
    Wording(
        r"\bso many\b",
        "name the number: 'the K most likely codes'",
        ("among so many codes",),
        ("among the K most likely codes",),
    ),
    Wording(
        r"(?<!forward )(?<!backward )\bpass(es)? over\b",
        "write 'ignores' or 'skips'",
        ("who reads it passes over unknown keys",),
        ("two forward passes over the data", "readers ignore unknown keys"),
    ),
    Wording(
        rf"\b({UNITS}) an? ({RATES})\b(?! (needs|takes|has|is|of|from|to)\b)",
        "a rate is written with 'per': 'tokens per second'",
        ("tokens a second", "492 kB a token", "2 bytes a parameter", "ms a step"),
        ("tokens per second", "a second picture", "after a step", "what a step costs", "the samples a step takes"),
    ),
    Wording(
        r"(?:^|[.:;] )Who(ever)? \w+s\b",
        "name the subject: 'Readers must ignore unknown keys.'",
        ("Who reads a log skips them.",),
        ("Readers skip them.", "which plugins provide what"),
    ),
    Wording(r"\b[Hh]e\b(?!\w)", "name the subject, or use the passive", ("that he does not know",), ("the", "when")),
)


GLOBS = (
    "core/**/*.py",
    "plugins/**/*.py",
    "recipes/**/*.py",
    "recipes/**/*.toml",
    "benchmarks/*.py",
    "docs/*.md",
    "README.md",
)
FILES = sorted(str(path.relative_to(ROOT)) for pattern in GLOBS for path in ROOT.glob(pattern))


@pytest.mark.parametrize("wording", WORDINGS, ids=[wording.pattern for wording in WORDINGS])
def test_a_pattern_matches_what_it_is_for_and_nothing_else(wording: Wording) -> None:
    assert all(re.search(wording.pattern, text) for text in wording.wrong)
    assert not any(re.search(wording.pattern, text) for text in wording.right)


@pytest.mark.parametrize("file", FILES)
def test_texts_avoid_these_wordings(file: str) -> None:
    path = ROOT / file
    texts = texts_of_python(path) if path.suffix == ".py" else enumerate(path.read_text("utf-8").splitlines(), 1)
    mistakes = [
        f"{file}:{line}: '{match.group()}' in '{text.strip()[:80]}': {wording.reason}"
        for line, text in texts
        for wording in WORDINGS
        if (match := re.search(wording.pattern, text, re.MULTILINE))
    ]
    assert not mistakes, "\n".join(mistakes)


def texts_of_python(path: Path) -> Iterator[tuple[int, str]]:
    """Strings, docstrings and comments of a module with their lines; ``{}`` stands for a value in an f-string."""
    source = path.read_text("utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
