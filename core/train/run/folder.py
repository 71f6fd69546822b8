"""The folder of a run: which recipe and stages it belongs to, and whether a run may begin or go on in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen

from ...contracts import TextTokenizer
from ...errors import Problem, RecipeError, StorageError, UsageError, nearest
from ...recipe import Recipe, Side, diff, dumps, read_recipe
from ...storage.atomic import explained, write_files
from ..checkpoints.checkpoint import newest_stage
from . import provenance

_HARMLESS = {"keep", "best", "checkpoint_every", "log_every", "sample_every", "workers", "strict"}
"""Settings of training or of a stage that change no weight."""

_ROUNDING = {"micro_batch", "checkpointing", "compile", "parallel", "shards"}
"""Settings that change how the same is computed, and so the weights by rounding only."""

_BEFORE = {"run.json", "recipe.toml", "sources.json", "tokenizer.json"}
"""What a run writes before its first step."""


@frozen
class RunFolder:
    """A folder that one run owns. ``facts`` say how the run was started, for the model's provenance.

    ``notes`` are sentences about what a resumed run does otherwise than before.
    """

    path: Path
    stages: tuple[str, ...]
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @classmethod
    def open(cls, path: Path, recipe: Recipe, stages: Sequence[str] | None, *, resume: bool) -> RunFolder:
        """Begin a run in a new or empty folder, or take up the one that the folder holds.

        A run that was refused before its first step, because of missing data for instance, leaves the folder as good
        as empty.

        Raises:
            UsageError: the folder is not empty, holds no run to resume, or one of another recipe or other stages.
            RecipeError: the recipe has no stages, or not the chosen ones.
        """
        chosen = _chosen(recipe, stages)
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file; --out names a folder")
        with explained("read", path):
            there = {entry.name for entry in path.iterdir()} if path.exists() else set()
            if "run.json" in there and there <= _BEFORE:
                for name in ("tokenizer.json", "sources.json"):
                    (path / name).unlink(missing_ok=True)  # they may be another recipe's
                there = set()
        if there and (path / "run.json").exists():
            if not resume:
                raise UsageError(f"{path} holds a run already: go on with --resume, or choose another --out")
            return cls._resumed(path, recipe, chosen if stages is not None else None)
        if resume and there:
            raise UsageError(f"{path} holds no run to resume")
        if there:
            raise UsageError(f"{path} is not empty: choose another --out")
        facts: dict[str, Any] = {
            "command": provenance.command(),
            "versions": provenance.versions(),
            "components": provenance.components(recipe),
            "git": provenance.git_state(),
        }
        folder = cls(path, chosen, facts)
        folder._write_all(recipe)
        return folder

    @classmethod
    def _resumed(cls, path: Path, recipe: Recipe, stages: tuple[str, ...] | None) -> RunFolder:
        with explained("read", path):
            try:
                facts = json.loads((path / "run.json").read_text(encoding="utf-8"))
                own = tuple(str(name) for name in facts.pop("stages"))
            except (ValueError, KeyError, TypeError) as error:
                raise StorageError(f"{path / 'run.json'} is damaged: {error}") from error
        before = read_recipe(path / "recipe.toml")
        reached = newest_stage(path / "checkpoints")
        begun = own[: own.index(reached) + 1] if reached in own else ()
        problems, notes = differences(before, recipe, begun)
        if problems:
            said = Problem(f"{path} holds a run of another recipe", hint=f"resume it with {path / 'recipe.toml'}")
            raise UsageError([said, *problems])
        if stages is None:
            stages = _chosen(recipe, None if own == _chosen(before, None) else own)
        if stages[: len(begun)] != begun:
            raise UsageError(
                f"{path} holds a run of the stages {', '.join(own)}, of which {', '.join(begun)} are done or begun: it "
                f"cannot go on with the stages {', '.join(stages)}"
            )
        if stages != own:
            notes += (f"the stages were {', '.join(own)}, and from here on they are {', '.join(stages)}",)
        folder = cls(path, stages, facts, notes)
        if notes or recipe.description != before.description:
            folder._write_all(recipe)
        return folder

    def record(self, name: str, fact: Any) -> None:
        """Add to what is said of the run, so that one which is resumed says it too."""
        self.facts[name] = fact
        write_files(self.path, {"run.json": partial(_write, self._facts_text())})

    def _write_all(self, recipe: Recipe) -> None:
        texts = {"recipe.toml": dumps(recipe), "run.json": self._facts_text()}
        write_files(self.path, {name: partial(_write, text) for name, text in texts.items()})

    def _facts_text(self) -> str:
        return json.dumps({"stages": list(self.stages), **self.facts}, indent=2)

    def save_text(self, text: TextTokenizer) -> None:
        """Write the fitted text tokenizer, unless it is there."""
        if not (self.path / "tokenizer.json").exists():
            write_files(self.path, {"tokenizer.json": lambda part: text.save(part.parent)})


def differences(before: Recipe, now: Recipe, begun: Sequence[str]) -> tuple[list[Problem], tuple[str, ...]]:
    """What differs between the recipe of a run and another: what forbids to go on, and what may change meanwhile.

    Of stages that are not ``begun``, and of sources that none of the begun takes samples from, everything may change.
    """
    taken = {name for stage in begun for name in before.stages[stage].sources}
    problems, notes = [], []
    for found in diff(before, now):
        problem = Problem(f"the run has {_said(found.left)}, the given recipe {_said(found.right)}", found.path)
        section, *rest = found.path.split(".")
        if section in ("sink", "description") or found.path.startswith("training.stages"):
            continue
        name = {"training": rest[:1], "stage": rest[1:2]}.get(section, [])
        if section in ("stage", "source") and rest[0] not in (begun if section == "stage" else taken):
            there = rest[0] in (now.stages if section == "stage" else now.sources)
            then = "from here on it is as it says now" if there else "now it is gone"
            notes.append(f"{section}.{rest[0]}: nothing of it was used so far, and {then}")
        elif name and name[0] in _HARMLESS | _ROUNDING:
            effect = "the weights change by rounding" if name[0] in _ROUNDING else "no weight changes by it"
            notes.append(f"{found.path}: {_said(found.left)} before, {_said(found.right)} from here on; {effect}")
        else:
            problems.append(problem)
    order, other = list(before.stages), list(now.stages)
    problems += [
        Problem(
            "it is begun, and its random numbers follow from its place among the stages",
            f"stage.{name}",
            hint="write the tables of new stages behind it",
        )
        for name in begun
        if name in other and order.index(name) != other.index(name)
    ]
    return problems, tuple(dict.fromkeys(notes))


def _said(side: Side | None) -> str:
    return "nothing" if side is None else repr(side.value)


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


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
