"""Texts of prompts in the official files of benchmarks, which are read and never run.

Scores of a judge are only comparable if it was asked with the official text, which belongs to its authors.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path
from typing import Any

from attrs import frozen
from janiform import Problem, UsageError, parse_json, read_bounded

MAX_BYTES = 16 << 20


@frozen
class PromptFile:
    """The texts in a file, by the names of the functions that hold them ("" outside of functions), and its record."""

    path: Path
    texts: tuple[tuple[str, str], ...]
    record: dict[str, Any]

    def one(self, marker: str, what: str) -> str:
        """The only text that contains a marker. Raises ``UsageError`` where there is none, or several."""
        matches = list(dict.fromkeys(text for _, text in self.texts if marker in text))
        if len(matches) != 1:
            count = "no text" if not matches else f"{len(matches)} different texts"
            raise UsageError(
                Problem(f"'{self.path}' holds {count} with '{marker}', expected one", hint=f"give the file of {what}")
            )
        return matches[0]


def read_prompt_file(path: Path) -> PromptFile:
    """The texts of a Python file or a notebook, or the one text of any other file. Raises ``UsageError``."""
    try:
        data = read_bounded(path, MAX_BYTES)
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise UsageError(f"the file of the judge's prompt '{path}' cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the file of the judge's prompt '{path}' is not text in UTF-8") from None
    record = {"file": path.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    suffix = path.suffix.lower()
    if suffix not in (".py", ".ipynb"):
        return PromptFile(path, (("", text),), record)
    sources = _cells(path, text) if suffix == ".ipynb" else [text]
    texts: list[tuple[str, str]] = []
    for source in sources:
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if suffix == ".ipynb":  # a cell for the shell, or in another language
                continue
            raise UsageError(f"'{path}' is not valid Python: {error}") from None
        texts += _texts(tree, "")
    return PromptFile(path, tuple(texts), record)


def _cells(path: Path, text: str) -> list[str]:
    """The code of a notebook, cell by cell, without the lines for its shell."""
    try:
        cells = parse_json(text)["cells"]
        codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"'{path}' is not a notebook: expected JSON with cells") from None
    kept = ["\n".join(line for line in code.split("\n") if not line.lstrip().startswith(("%", "!"))) for code in codes]
    return [code for code in kept if code.strip()]


def _texts(node: ast.AST, function: str) -> list[tuple[str, str]]:
    if isinstance(node, ast.Constant):
        return [(function, node.value)] if isinstance(node.value, str) else []
    if isinstance(node, ast.FunctionDef):
        function = node.name
    return [text for child in ast.iter_child_nodes(node) for text in _texts(child, function)]
