"""The files of a new plugin package."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from .. import __version__
from ..components.component import NAME
from ..components.registry import registry
from ..errors import Problem, UsageError, nearest
from ..storage.atomic import explained

KINDS: Final = {
    "encoder": ("understanding", "encoder", ", image_size = 64"),
    "tokenizer": ("generation", "tokenizer", ", image_size = 64"),
    "embedding": ("generation", "embedding", ""),
    "adapter": ("understanding", "adapter", ""),
    "backbone": ("", "backbone", ""),
    "head": ("generation", "head", ""),
    "kernel": ("training", "attention", ""),
}
"""The kinds that a package can begin with: where such a part stands in janus-mini, and what it must be set to there."""

SMALL: Final = {
    "encoder": '{"image_size": 16, "width": 8}',
    "tokenizer": '{"image_size": 16, "channels": 8, "vocabulary": 12}',
    "backbone": '{"width": 16, "layers": 2, "vocabulary": 40, "context": 32}',
}
"""Settings to test with, where the defaults are too large."""


def write_package(name: str, kind: str, folder: Path) -> list[Path]:
    """Write an installable package with one component of ``kind`` that is called ``name``; gives its files.

    Raises:
        UsageError: the name or the kind will not do, a component has the name, or there is something in the folder.
        StorageError: the folder cannot be written.
    """
    if kind not in KINDS:
        ways = nearest(kind, KINDS) or f"there are {', '.join(KINDS)}"
        raise UsageError(Problem(f"a package cannot begin with the kind '{kind}'", hint=ways))
    if not NAME.fullmatch(name) or "." in name:
        wish = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
        raise UsageError(
            Problem(
                f"'{name}' is no name for a component: lower-case words and numbers, joined by single hyphens",
                hint=f"for example '{wish}'" if NAME.fullmatch(wish) else "",
            )
        )
    taken = [component for component in registry().components(kind) if component.name == name]
    if taken:
        raise UsageError(Problem(f"there is {kind} '{name}' already", hint=f"from {taken[0].provider}; take another"))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(Problem(f"'{folder}' is there already", hint="give a folder that is new or empty"))
    written = []
    for path, text in _texts(name, kind).items():
        file = folder / path
        with explained("write", file):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        written.append(file)
    return written


def _texts(name: str, kind: str) -> dict[str, str]:
    module = f"janiform_{name.replace('-', '_')}"
    pathway, slot, _ = KINDS[kind]
    words = {
        "name": name,
        "kind": kind,
        "a_kind": f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}",
        "module": module,
        "Class": name.title().replace("-", ""),
        "path": f"{pathway}.{slot}".strip("."),
        "table": _table(kind, name),
        "what": "the kernel" if kind == "kernel" else "the `torch.nn.Module`",
        "port": "what the kernel serves" if kind == "kernel" else "the port that follows from them",
        "small": f", {SMALL[kind]}" if kind in SMALL else "",
        "version": __version__,
    }
    return {
        "pyproject.toml": _filled("pyproject", words),
        "README.md": _filled("readme", words),
        f"mini-{name}.toml": _filled("recipe", words),
        f"src/{module}/__init__.py": _filled("init", words),
        f"src/{module}/config.py": _filled(f"config.{kind}", words),
        f"src/{module}/model.py": _filled(f"model.{kind}", words),
        f"tests/test_{name.replace('-', '_')}.py": _filled("tests", words),
        ".github/workflows/tests.yml": _filled("workflow", words),
    }


def _table(kind: str, name: str) -> str:
    """The lines of a recipe that put the component in its place."""
    pathway, slot, settings = KINDS[kind]
    if kind == "kernel":
        return f'[{pathway}]\n{slot} = "{name}"'
    return f'[{pathway}]\n{slot} = {{ use = "{name}"{settings} }}' if pathway else f'[{slot}]\nuse = "{name}"'


def _filled(template: str, words: dict[str, str]) -> str:
    text = files(__package__).joinpath("templates", f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(words)
