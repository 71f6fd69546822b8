"""The folder of a run: which recipe and stages it belongs to, and whether a run may begin or go on in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from ..contracts import TextTokenizer
from ..errors import Problem, RecipeError, StorageError, UsageError, nearest
from ..recipe import Recipe, dumps
from ..storage.atomic import explained, write_files, write_text
from . import provenance


@frozen
class RunFolder:
    """A folder that one run owns. ``facts`` say how the run was started, for the model's provenance."""

    path: Path
    stages: tuple[str, ...]
    facts: dict[str, Any]

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @classmethod
    def open(cls, path: Path, recipe: Recipe, stages: Sequence[str] | None, *, resume: bool) -> RunFolder:
        """Begin a run in a new or empty folder, or take up the one that the folder holds.

        Raises:
            UsageError: the folder is not empty, holds no run to resume, or one of another recipe or other stages.
            RecipeError: the recipe has no stages, or not the chosen ones.
        """
        chosen = _chosen(recipe, stages)
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file; --out names a folder")
        with explained("read", path):
            empty = not path.exists() or not any(path.iterdir())
        if (path / "run.json").exists():
            if not resume:
                raise UsageError(f"{path} holds a run already: go on with --resume, or choose another --out")
            return cls._resumed(path, recipe, chosen if stages is not None else None)
        if resume and not empty:
            raise UsageError(f"{path} holds no run to resume")
        if not empty:
            raise UsageError(f"{path} is not empty: choose another --out")
        facts: dict[str, Any] = {
            "command": provenance.command(),
            "versions": provenance.versions(),
            "components": provenance.components(recipe),
            "git": provenance.git_state(),
        }
        run = {"stages": list(chosen), **facts}
        write_files(
            path,
            {
                "recipe.toml": lambda part: part.write_text(dumps(recipe)) and None,
                "run.json": lambda part: part.write_text(json.dumps(run, indent=2)) and None,
            },
        )
        return cls(path, chosen, facts)

    @classmethod
    def _resumed(cls, path: Path, recipe: Recipe, stages: tuple[str, ...] | None) -> RunFolder:
        with explained("read", path):
            before = (path / "recipe.toml").read_text()
            try:
                facts = json.loads((path / "run.json").read_text())
                own = tuple(str(name) for name in facts.pop("stages"))
            except (ValueError, KeyError, TypeError) as error:
                raise StorageError(f"{path / 'run.json'} is damaged: {error}") from error
        problems = [Problem(line) for line in differences(before, dumps(recipe))]
        if problems:
            raise UsageError(
                [Problem(f"{path} holds a run of another recipe; resume it with {path / 'recipe.toml'}"), *problems]
            )
        if stages is not None and stages != own:
            raise UsageError(f"{path} holds a run of the stages {', '.join(own)}, not {', '.join(stages)}")
        return cls(path, own, facts)

    def save_text(self, text: TextTokenizer) -> None:
        """Write the fitted text tokenizer, unless it is there."""
        if not (self.path / "tokenizer.json").exists():
            write_files(self.path, {"tokenizer.json": lambda part: text.save(part.parent)})


def differences(before: str, now: str) -> list[str]:
    """What differs between two resolved recipes as text: one line each."""
    import difflib

    changes = difflib.ndiff(before.splitlines(), now.splitlines())
    said = {"- ": "the run has: ", "+ ": "the given one has: "}
    return [said[line[:2]] + line[2:].strip() for line in changes if line[:2] in said and line[2:].strip()]


def _chosen(recipe: Recipe, stages: Sequence[str] | None) -> tuple[str, ...]:
    order = recipe.training.stages or tuple(recipe.stages)
    if not order:
        raise RecipeError(Problem("the recipe has no stages to train", "training.stages"))
    if stages is None:
        return order
    unknown = [name for name in stages if name not in order]
    if unknown or not stages:
        raise UsageError(
            [Problem(f"there is no stage '{name}'", hint=nearest(name, order)) for name in unknown]
            or "no stage is named"
        )
    return tuple(name for name in order if name in stages)
