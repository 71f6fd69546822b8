"""The folder of a run: its recipe and stages, and whether a run may begin or resume in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from ...contracts import TextTokenizer
from ...errors import Problem, RecipeError, StorageError, UsageError, nearest
from ...recipe import Recipe, Side, diff, dumps, read_recipe
from ...recipe.paths import hub_name
from ...storage.atomic import PREFIX, explained, sweep, text_writer, write_files, write_text
from ...storage.json_files import read_json, structured
from ...untrusted_text import text_fault
from ..checkpoints.checkpoint import newest_stage
from ..data import seeding
from . import provenance

HARMLESS = {"keep", "best", "checkpoint_every", "log_every", "sample_every", "workers", "strict"}
"""Settings of training or of a stage that do not change weights."""

ROUNDING = {"micro_batch", "checkpointing", "compile", "parallel", "shards"}
"""Settings that change how weights are computed, and so their rounding only."""

_BEFORE = {"run.json", "recipe.toml", "sources.json", "tokenizer.json"}
"""Files that a run writes before its first step."""


@frozen
class RunFolder:
    """The folder of one run. ``facts``: how the run was started, for the model's provenance. ``notes``: sentences about
    what a resumed run does differently.
    """

    path: Path
    stages: tuple[str, ...]
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def seeds(self, recipe: Recipe) -> seeding.RunSeeds:
        """The seeds of the run, by the rules that it began with."""
        return seeding.seeds_of(recipe, _version(self.facts))

    @classmethod
    def open(cls, path: Path, recipe: Recipe, stages: Sequence[str] | None, *, resume: bool) -> RunFolder:
        """Begin a run in a new or empty folder, or resume the one in it.

        A folder whose run was refused before its first step, for example because of missing data, counts as empty.

        Raises:
            UsageError: the folder is not empty, has no run to resume, or one of another recipe or other stages.
            RecipeError: the recipe has no stages, or not the chosen ones.
        """
        chosen = _chosen(recipe, stages)
        if fault := text_fault(str(path.absolute())):
            raise UsageError(f"the path '{path}' {fault}, and files of weights need UTF-8; choose another --out")
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file; give --out a folder")
        with explained("read", path):
            existing = {entry.name for entry in path.iterdir()} if path.exists() else set()
            if "run.json" in existing or all(name.startswith(PREFIX) for name in existing):
                for written in (path, *(path / name for name in ("checkpoints", "samples", "adapters"))):
                    sweep(written)  # a process that was killed while it wrote leaves unfinished files
                existing = {name for name in existing if not name.startswith(PREFIX)}
            if "run.json" in existing and existing <= _BEFORE:
                for name in ("tokenizer.json", "sources.json"):
                    (path / name).unlink(missing_ok=True)  # they may be another recipe's
                existing = set()
        if existing and (path / "run.json").exists():
            if not resume:
                raise UsageError(f"{path} already holds a run: continue it with --resume, or choose another --out")
            return cls._resumed(path, recipe, chosen if stages is not None else None)
        if resume and existing:
            raise UsageError(f"{path} has no run to resume")
        if existing:
            raise UsageError(f"{path} is not empty: choose another --out")
        facts: dict[str, Any] = {
            "command": provenance.command(),
            "versions": provenance.versions(),
            "components": provenance.components(recipe),
            "git": provenance.git_state(),
            "seeding": seeding.VERSION,
        }
        folder = cls(path, chosen, facts)
        folder._write_all(recipe)
        return folder

    @classmethod
    def _resumed(cls, path: Path, recipe: Recipe, stages: tuple[str, ...] | None) -> RunFolder:
        facts = read_json(path / "run.json")
        try:
            own = tuple(structured(facts.pop("stages", None), list[str]))
        except ValueError as error:
            raise StorageError(f"{path / 'run.json'} is damaged: stages {error}") from error
        before = read_recipe(path / "recipe.toml")
        reached = newest_stage(path / "checkpoints")
        begun = own[: own.index(reached) + 1] if reached in own else ()
        if (version := _version(facts)) > seeding.VERSION:
            raise UsageError(f"{path} holds a run of a later version of janiform: resume it with that version")
        problems, notes = differences(before, recipe, begun, by_order=version < seeding.VERSION)
        if problems:
            message = f"{path} holds a run of another recipe"
            raise UsageError([Problem(message, hint=f"resume it with {path / 'recipe.toml'}"), *problems])
        if stages is None:
            stages = _chosen(recipe, None if own == _chosen(before, None) else own)
        if stages[: len(begun)] != begun:
            raise UsageError(
                f"{path} holds a run of the stages {', '.join(own)}, of which {', '.join(begun)} have begun: it cannot "
                f"be resumed with the stages {', '.join(stages)}"
            )
        if stages != own:
            notes += (f"the stages were {', '.join(own)}; from here on they are {', '.join(stages)}",)
        folder = cls(path, stages, facts, notes)
        if notes or recipe.description != before.description:
            folder._write_all(recipe)
        return folder

    def record(self, name: str, fact: Any) -> None:
        """Add a fact to ``run.json``, from which a resumed run reads it."""
        self.facts[name] = fact
        write_text(self.path / "run.json", self._facts_text())

    def _write_all(self, recipe: Recipe) -> None:
        recipe_text, facts_text = dumps(recipe), self._facts_text()
        write_files(
            self.path,
            {
                "recipe.toml": text_writer(recipe_text),
                "run.json": text_writer(facts_text),
            },
        )

    def _facts_text(self) -> str:
        return json.dumps({"stages": list(self.stages), **self.facts}, indent=2)

    def save_text(self, text: TextTokenizer) -> None:
        """Write the fitted text tokenizer, unless the folder has it."""
        if not (self.path / "tokenizer.json").exists():
            write_files(self.path, {"tokenizer.json": lambda part: text.save(part.parent)})


def _version(facts: Mapping[str, Any]) -> int:
    """The version of the rules by which a run's random numbers follow from its seeds; 1 for runs that lack it."""
    version = facts.get("seeding", 1)
    return version if type(version) is int else 1


def differences(
    before: Recipe, now: Recipe, begun: Sequence[str], *, by_order: bool = False
) -> tuple[list[Problem], tuple[str, ...]]:
    """The differences of a run's recipe and another: problems, which forbid resuming, and notes on permitted changes.

    Stages that are not ``begun``, and sources that no begun stage takes samples from, may change in any way.
    ``by_order``: the random numbers of a stage follow from its place among the stages, as in runs of earlier versions.
    """
    taken = {name for stage in begun for name in before.stages[stage].sources}
    problems, notes = [], []
    for change in diff(before, now):
        left, right = _shown(change.left), _shown(change.right)
        section, *rest = change.path.split(".")
        if section in ("sink", "description") or change.path.startswith("training.stages"):
            continue
        if section == "start" and _same_folder(change.left, change.right):
            continue
        name = {"training": rest[:1], "stage": rest[1:2]}.get(section, [])
        if section in ("stage", "source") and rest[0] not in (begun if section == "stage" else taken):
            remains = rest[0] in (now.stages if section == "stage" else now.sources)
            then = "the new settings apply" if remains else "it is removed"
            notes.append(f"{section}.{rest[0]}: not used so far; {then}")
        elif name and name[0] in HARMLESS | ROUNDING:
            effect = "weights change by rounding" if name[0] in ROUNDING else "weights do not change"
            notes.append(f"{change.path}: {left} before, {right} from here on; {effect}")
        else:
            problems.append(Problem(f"the run has {left}, the given recipe {right}", change.path))
    order, other = list(before.stages), list(now.stages)
    problems += [
        Problem(
            "the stage has begun, and its random numbers depend on its position among the stages",
            f"stage.{name}",
            hint="write the tables of new stages after it",
        )
        for name in begun
        if by_order and name in other and order.index(name) != other.index(name)
    ]
    return problems, tuple(dict.fromkeys(notes))


def _same_folder(left: Side | None, right: Side | None) -> bool:
    """Whether two entries of ``[start]`` name one folder, which may have been removed since the run began.

    A path of two names is kept as it is written, as a name on the hub, while there is no such folder.
    """
    if left is None or right is None:
        return False
    shorter, longer = sorted((str(left.value), str(right.value)), key=len)
    return bool(hub_name(shorter)) and longer.endswith(f"/{shorter}")


def _shown(side: Side | None) -> str:
    return "nothing" if side is None else repr(side.value)


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
            or "--stages has no stage names"
        )
    return tuple(name for name in order if name in stages)
