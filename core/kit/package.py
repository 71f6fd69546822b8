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
    "benchmark": '{"questions": 3}',
}
"""Settings to test a template with, where its defaults are too large."""


_SECTIONS: Final = {
    "source": """\
[source.$name]
use = "$name"

# One sample in four of the last stage comes from it.
[stage.stage-3.mixture]
$name = 4""",
    "sink": """\
[sink.$name]
use = "$name\"""",
    "objective": """\
[training]
stages = ["$name"]

[stage.$name]
objective = { use = "$name", packed = 176 }
train = ["backbone", "understanding", "generation.embedding", "generation.adapter", "generation.head"]
mixture = { ask = 1, draw = 1 }
steps = 100
batch = 16
learning_rate = 3e-3
precision = "auto\"""",
}
"""Tables of the recipe for kinds that recipes name in sections."""

_CHANGED: Final = {"source": "added", "sink": "added", "objective": "added"}
"""What the recipe does at the kind's path, where it does not replace it."""

_DECLARED: Final = {"kernel": "what the kernel supports", "format": "how its directories are recognised"}
"""What the config has beside its settings."""

_COMMAND: Final = {
    "benchmark": "eval janus-mini {name}   # what does it measure?",
    "format": "convert janus-mini model --to {name}   # writes janus-mini as such a directory",
}
"""The command of ``janiform`` that uses a component of a kind that recipes do not name."""


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
    """The path at which the package's recipe, a variant of janus-mini, names a component of the kind.

    A section (``source``, ``stage``, ``sink``) without a name; empty where recipes do not name the kind.
    """
    match KINDS[kind].place:
        case "pathway":
            return f"{'understanding' if 'features' in KINDS[kind].routes else 'generation'}.{kind}"
        case "top" | "section":
            return kind
        case "stage":
            return "stage"
    return "training.attention" if kind == "kernel" else ""


def _texts(name: str, kind: str) -> dict[str, str]:
    module = f"janiform_{name.replace('-', '_')}"
    declared = _DECLARED.get(kind, "the port that follows from them" if KINDS[kind].gives else "")
    words = {
        "name": name,
        "kind": kind,
        "a_kind": f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}",
        "module": module,
        "Class": name.title().replace("-", ""),
        "path": mini_path(kind),
        "table": _table(kind, name),
        "model": "the `torch.nn.Module`" if KINDS[kind].weights else f"the {kind}",
        "declaration": f", and {declared}" if declared else "",
        "small": f", {SMALL[kind]}" if kind in SMALL else "",
        "version": __version__,
    }
    recipe = f"mini-{name}.toml"
    if words["table"]:
        words["use"] = (
            f"    janiform check {recipe}   # does it fit into janus-mini, and what does it cost?\n"
            f"    janiform train {recipe} --out runs/{name}"
        )
        words["recipe_row"] = (
            f"| `{recipe}` | a recipe: janus-mini with `{words['path']}` {_CHANGED.get(kind, 'replaced')} |\n"
        )
        words["check_line"] = f"      - run: janiform check {recipe}\n"
    else:
        words |= {"use": f"    janiform {_COMMAND[kind].format(name=name)}", "recipe_row": "", "check_line": ""}
    return {
        "pyproject.toml": _filled("pyproject", words),
        "README.md": _filled("readme", words),
        **({recipe: _filled("recipe", words)} if words["table"] else {}),
        f"src/{module}/__init__.py": _filled("init", words),
        f"src/{module}/config.py": _filled(f"config.{kind}", words),
        f"src/{module}/model.py": _filled(f"model.{kind}", words),
        f"tests/test_{name.replace('-', '_')}.py": _filled("tests", words),
        ".github/workflows/tests.yml": _filled("workflow", words),
    }


def _table(kind: str, name: str) -> str:
    """The lines of the recipe that name the component; empty where recipes do not name the kind."""
    if kind in _SECTIONS:
        return Template(_SECTIONS[kind]).substitute(name=name)
    table, _, key = mini_path(kind).rpartition(".")
    if not key:
        return ""
    if kind == "kernel":
        return f'[{table}]\n{key} = "{name}"'
    if not table:
        return f'[{key}]\nuse = "{name}"'
    size = ", image_size = 64" if "transform" in KINDS[kind].declares else ""  # of janus-mini's pictures
    return f'[{table}]\n{key} = {{ use = "{name}"{size} }}'


def _filled(template: str, words: dict[str, str]) -> str:
    return Template(_TEMPLATES.joinpath(f"{template}.txt").read_text(encoding="utf-8")).substitute(words)
