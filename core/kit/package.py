"""The files of a new plugin package."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from .. import __version__
from ..components.component import NAME
from ..components.kinds import KINDS
from ..components.registry import registry
from ..errors import Problem, UsageError, nearest
from ..storage.atomic import explained

_TEMPLATES: Final = files(__package__).joinpath("templates")

PACKAGE_KINDS: Final = tuple(kind for kind in KINDS if _TEMPLATES.joinpath(f"config.{kind}.txt").is_file())
"""The kinds that a package can begin with: those that have templates."""

SMALL: Final = {
    "encoder": '{"image_size": 16, "width": 8}',
    "tokenizer": '{"image_size": 16, "channels": 8, "vocabulary": 12}',
    "backbone": '{"width": 16, "layers": 2, "vocabulary": 40, "context": 32}',
}
"""Settings to test a template with, where its defaults are too large."""


def write_package(name: str, kind: str, folder: Path) -> list[Path]:
    """Write an installable package with one component of ``kind`` that is called ``name``; return its files.

    Raises:
        UsageError: the name or the kind is not valid, a component has the name, or the folder is not empty.
        StorageError: the folder cannot be written.
    """
    if kind not in PACKAGE_KINDS:
        choices = nearest(kind, PACKAGE_KINDS) or f"choose one of {', '.join(PACKAGE_KINDS)}"
        raise UsageError(Problem(f"a package cannot begin with the kind '{kind}'", hint=choices))
    if not NAME.fullmatch(name) or "." in name:
        example = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
        raise UsageError(
            Problem(
                f"'{name}' is not a valid name for a component: use lower-case words and numbers, joined by hyphens",
                hint=f"for example '{example}'" if NAME.fullmatch(example) else "",
            )
        )
    others = [component for component in registry().components(kind) if component.name == name]
    if others:
        hint = f"it comes from {others[0].provider}; choose another name"
        raise UsageError(Problem(f"{kind} '{name}' already exists", hint=hint))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(Problem(f"'{folder}' already exists", hint="give a folder that is new or empty"))
    written = []
    for path, text in _texts(name, kind).items():
        file = folder / path
        with explained("write", file):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        written.append(file)
    return written


def mini_path(kind: str) -> str:
    """The path at which the package's recipe, a variant of janus-mini, names a component of the kind."""
    if KINDS[kind].place == "pathway":
        return f"{'understanding' if 'features' in KINDS[kind].routes else 'generation'}.{kind}"
    return "training.attention" if kind == "kernel" else kind


def _texts(name: str, kind: str) -> dict[str, str]:
    module = f"janiform_{name.replace('-', '_')}"
    words = {
        "name": name,
        "kind": kind,
        "a_kind": f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}",
        "module": module,
        "Class": name.title().replace("-", ""),
        "path": mini_path(kind),
        "table": _table(kind, name),
        "model": "the `torch.nn.Module`" if KINDS[kind].weights else f"the {kind}",
        "declaration": "the port that follows from them" if KINDS[kind].gives else f"what the {kind} supports",
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
    """The lines of the recipe that name the component."""
    table, _, key = mini_path(kind).rpartition(".")
    if kind == "kernel":
        return f'[{table}]\n{key} = "{name}"'
    if not table:
        return f'[{key}]\nuse = "{name}"'
    size = ", image_size = 64" if "transform" in KINDS[kind].declares else ""  # of janus-mini's pictures
    return f'[{table}]\n{key} = {{ use = "{name}"{size} }}'


def _filled(template: str, words: dict[str, str]) -> str:
    return Template(_TEMPLATES.joinpath(f"{template}.txt").read_text(encoding="utf-8")).substitute(words)
