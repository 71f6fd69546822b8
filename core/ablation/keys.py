"""Content keys of stages: what a stage reads and does, as plain JSON, and its digest.

Two stages with one key leave the same weights, whatever cells or studies they belong to. A key names parts by their
settings and by the key of the stage that changed them last, so that swapping encoders keeps the key of the tokenizer's
training, and the other way round. Names, folders, numbers of workers and whatever else changes no weight are not in it.
Neither are settings with their default value, so that a component may get further ones: where its defaults change, it
is another version.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from typing import Any

from attrs import asdict, frozen

from ..components.hookspec import PROJECT
from ..compose import Plan
from ..compose.selectors import select
from ..contracts import Contents
from ..errors import Problem, UsageError
from ..recipe import Stage, Use
from ..recipe.write import part_table, plain_settings
from ..train.run.folder import HARMLESS, ROUNDING

KEY_FORMAT = 2
"""The version of keys, which is part of every key."""


@frozen
class Inputs:
    """What the keys of a run depend on beside its recipe.

    ``tokenizer``: SHA-256 of the text tokenizer. ``contents``: of the sources that declare them, by name. ``started``:
    SHA-256 of the weights that parts start with, by path. ``precisions``: of each stage, as resolved on the device.
    """

    seed: int
    data_seed: int
    tokenizer: str
    contents: Mapping[str, Contents]
    started: Mapping[str, str]
    precisions: Mapping[str, str]


@frozen
class StageKey:
    """The key of a stage. ``trained``: the paths of the parts that it changes."""

    digest: str
    content: Mapping[str, Any]
    trained: tuple[str, ...]


def stage_keys(plan: Plan, stages: Collection[str], parameters: Collection[str], inputs: Inputs) -> dict[str, StageKey]:
    """The keys of the stages of a run, in order. ``parameters``: the names of the model's parameters.

    Raises ``UsageError`` for a setting without a canonical form.
    """
    latest: dict[str, Any] = {path: _begin(path, inputs) for path in _parts(plan)}
    keys: dict[str, StageKey] = {}
    for name in stages:
        stage = plan.recipe.stages[name]
        reads = _reads(plan, stage)
        content = {
            "format": KEY_FORMAT,
            "stage": {"name": name, **_settings(stage)},
            "objective": part_table(stage.objective, defaults=False),
            "precision": inputs.precisions[name],
            "attention": plan.recipe.training.attention,
            "parts": {path: _part(plan, path, latest) for path in reads if path in latest},
            **_transforms(plan),
            # Text towers of objectives are as large as the backbone's vocabulary.
            "text": [inputs.tokenizer, plan.hidden.vocabulary] if "text" in reads else [],
            "layout": part_table(plan.recipe.layout, defaults=False) if "backbone" in reads else {},
            "sources": {source: _source(plan, source, inputs) for source in sorted(stage.sources)},
            "seed": inputs.seed,
            "data_seed": inputs.data_seed,
            "distributions": dict(sorted(_distributions(plan, stage, reads))),
        }
        trained = _trained(plan, stage, parameters)
        keys[name] = StageKey(digest_of(content), content, trained)
        latest |= dict.fromkeys(trained, keys[name].digest)
    return keys


def digest_of(content: Any) -> str:
    """The SHA-256 of plain data as canonical JSON. Raises ``UsageError`` for values without a canonical form."""
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=True)
    except TypeError as error:
        problem = Problem(f"a setting has no canonical form: {error}", hint="fix the plugin's config")
        raise UsageError(problem) from error
    return sha256(text.encode()).hexdigest()


def _parts(plan: Plan) -> list[str]:
    return [path for path, part in plan.parts.items() if part.owner is None]


def _begin(path: str, inputs: Inputs) -> dict[str, Any]:
    """The state of a part before any stage: the weights of files, or those that the seed draws."""
    return {"start": inputs.started[path]} if path in inputs.started else {"seed": inputs.seed}


def _reads(plan: Plan, stage: Stage) -> list[str]:
    """The paths of the parts that an objective uses: as its config declares, or all."""
    declared = getattr(stage.objective.config, "reads", None)
    if declared is None:
        return _parts(plan)
    return sorted({plan.owner(path) for path in declared(plan)})


def _part(plan: Plan, path: str, latest: Mapping[str, Any]) -> dict[str, Any]:
    part = plan.parts[path]
    ports = {name: [type(port).__name__, plain_settings(port, defaults=False)] for name, port in part.inputs.items()}
    return {**part_table(part.use, defaults=False), "ports": ports, "from": latest[path]}


def _transforms(plan: Plan) -> dict[str, Any]:
    """The pathways that take the image transform of another; no entry where none does."""
    taken = {name: pathway.transform for name, pathway in plan.recipe.pathways.items() if pathway.transform}
    return {"transforms": taken} if taken else {}


def _settings(stage: Stage) -> dict[str, Any]:
    """The settings of a stage that change what is trained; rounding is recorded beside the key."""
    settings = plain_settings(stage, but=("name", "objective", *HARMLESS, *ROUNDING), defaults=False)
    return {name: sorted(value) if name in ("train", "muon") else value for name, value in settings.items()}


def _source(plan: Plan, name: str, inputs: Inputs) -> dict[str, Any]:
    contents = inputs.contents.get(name)
    table = part_table(plan.recipe.sources[name], defaults=False)
    return {**table, "contents": None if contents is None else asdict(contents)}


def _trained(plan: Plan, stage: Stage, parameters: Collection[str]) -> tuple[str, ...]:
    adapted = () if stage.lora is None else stage.lora.on
    chosen = select(parameters, (*stage.train, *adapted), plan.shared)
    return tuple(path for path in _parts(plan) if any(name.startswith(f"{path}.") for name in chosen))


def _distributions(plan: Plan, stage: Stage, reads: Collection[str]) -> Iterator[tuple[str, str]]:
    """Version of each distribution, other than janiform itself, whose components the stage uses."""
    recipe = plan.recipe
    uses: list[Use] = [stage.objective, *(plan.parts[path].use for path in reads if path in plan.parts)]
    for use in (*uses, *(recipe.sources[name] for name in stage.sources)):
        component = use.component
        if component.distribution not in ("", PROJECT):
            yield f"{use.kind} {use.reference}", f"{component.distribution} {component.distribution_version}"
