"""Who may import whom, read from the source: core knows no plugin, and plugins know only janiform's public names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import janiform
import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"janiform": ROOT / "core", "janiform_plugins": ROOT / "plugins", "janiform_recipes": ROOT / "recipes"}


def _imports(file: Path, package: str) -> Iterator[tuple[int, str, str]]:
    """Line, absolute module and imported name (or "") of every import in a file, wherever in it that stands."""
    here = (package, *file.relative_to(FOLDERS[package]).with_suffix("").parts)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            yield from ((node.lineno, module, alias.name) for alias in node.names)


def _files() -> list[tuple[str, Path]]:
    return [(package, file) for package, folder in FOLDERS.items() for file in sorted(folder.rglob("*.py"))]


def _top(module: str) -> str:
    return module.partition(".")[0]


def _breach(package: str, module: str, name: str) -> str:
    if package == "janiform":
        return "core imports a plugin" if _top(module) in ("janiform_plugins", "janiform_recipes") else ""
    if package == "janiform_plugins" and _top(module) == "janiform_recipes":
        return "a plugin imports the recipes"
    if _top(module) != "janiform" or module == "janiform.testing":
        return ""
    if module != "janiform" or not name:
        return "a plugin imports a module of janiform; its public names come with `from janiform import NAME`"
    return "" if name in janiform.__all__ else f"'{name}' is no public name of janiform"


@pytest.mark.parametrize(
    ("package", "module", "name", "allowed"),
    [
        ("janiform", "janiform.ports", "Features", True),
        ("janiform", "janiform_plugins.heads", "", False),
        ("janiform", "janiform_recipes", "x", False),
        ("janiform_plugins", "janiform", "Features", True),
        ("janiform_plugins", "janiform", "ports", False),
        ("janiform_plugins", "janiform", "", False),
        ("janiform_plugins", "janiform.ports", "Features", False),
        ("janiform_plugins", "janiform.testing", "check", True),
        ("janiform_plugins", "janiform_plugins.world", "Scene", True),
        ("janiform_plugins", "janiform_recipes", "", False),
        ("janiform_recipes", "janiform", "hookimpl", True),
        ("janiform_recipes", "torch", "", True),
    ],
)
def test_the_rule_itself(package: str, module: str, name: str, allowed: bool) -> None:
    assert (_breach(package, module, name) == "") is allowed


def test_every_import_keeps_the_contract() -> None:
    breaches = [
        f"{file.relative_to(ROOT)}:{line}: {breach}"
        for package, file in _files()
        for line, module, name in _imports(file, package)
        if (breach := _breach(package, module, name))
    ]
    assert breaches == []


def test_the_contract_is_checked_on_every_folder() -> None:
    assert {package for package, _ in _files()} == set(FOLDERS)
