"""What a run needs before its first step: sources, model, text tokenizer, and checks of every stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch
from attrs import define, evolve
from torch.distributed.device_mesh import DeviceMesh

from ...compose import Plan, compose
from ...contracts import Source
from ...errors import Problem, RecipeError, UsageError
from ...measure.contract_checks import check_contracts
from ...model.build import build_model
from ...model.processor import Processor
from ...model.unified_model import UnifiedModel
from ...recipe import Recipe
from ...storage.digest import file_digest
from ..checkpoints.checkpoint import Position, StoredCheckpoint, load_newest
from ..data.contents import compare
from ..data.sources import open_sources, usable
from ..data.specs import indivisible
from ..distributed.process_group import ProcessGroup, mesh_of, shape_of
from ..loop.blocks import unsharded
from ..progress.reporter import Reporter
from .dry_run import dry_run
from .folder import RunFolder
from .start import begin
from .start_checks import TOKENIZER

TEXTS_TO_FIT = 2000
"""Examples of each source from whose texts the text tokenizer learns its vocabulary."""


@define(eq=False)
class Prepared:
    """What stages train; ``model`` and ``position`` change with each. ``stored``: the checkpoint to resume from."""

    model: UnifiedModel
    sources: Mapping[str, Source]
    mesh: DeviceMesh | None
    position: Position
    stored: StoredCheckpoint | None


def prepare_run(
    recipe: Recipe,
    folder: RunFolder,
    group: ProcessGroup,
    device: torch.device,
    reporter: Reporter,
    *,
    resume: bool,
    tokenizer: Path | None = None,
) -> Prepared:
    """Open the sources, make the model and check every stage; every process must call it.

    ``tokenizer``: the folder of the text tokenizer, where one is given.

    Raises:
        RecipeError, CompositionError: the recipe cannot be trained.
        UsageError: the sources are not those that the run began with.
        StorageError: weights or checkpoints cannot be read.
    """
    group.run_everywhere(lambda: _check_processes(recipe, folder.stages, group))
    mesh = mesh_of(group, recipe.training, device)
    # Before the model is made: missing files are found in no time, and a model may take gigabytes.
    sources: dict[str, Source] = {}
    names = [source for stage in folder.stages for source in recipe.stages[stage].sources]
    group.run_everywhere(lambda: sources.update(open_sources(recipe, names)))
    torch.manual_seed(recipe.training.seed % 2**64)
    plan = compose(recipe)
    check_contracts(plan)
    seeds = folder.seeds(recipe)
    model = build_model(plan, device=device, seed=seeds.weights)
    for note in folder.notes:
        reporter.say(note)
    stored = group.on_main(lambda: load_newest(folder.checkpoints, reporter.say)) if resume else None
    if stored is None and recipe.start:
        facts = group.run_everywhere(lambda: begin(model, recipe.start, reporter.say))[0]
        group.on_main(lambda: folder.record("start", facts))
    group.on_main(lambda: _prepare_text(model, folder, sources, tokenizer, resume=resume))
    group.run_everywhere(lambda: None if group.main else _prepare_text(model, folder, sources, None, resume=True))
    for note in group.run_everywhere(lambda: dry_run(recipe, folder.stages, model, sources, seeds))[0]:
        reporter.say(note)
    if mesh is not None and mesh.shape[1] > 1 and (note := unsharded(model)):
        reporter.say(note)
    position = Position(folder.stages[0]) if stored is None else stored.position
    for difference in group.on_main(lambda: compare(folder.path, sources, position.positions)):
        reporter.say(difference)
    if stored is not None:
        reporter.say(f"resuming after step {position.step} of {position.stage}")
    elif resume:
        reporter.say("the run has no checkpoint yet: starting from the beginning")
    return Prepared(model, sources, mesh, position, stored)


def _check_processes(recipe: Recipe, stages: Iterable[str], group: ProcessGroup) -> None:
    """Raise ``RecipeError`` where the processes cannot divide the steps, or the weights, among them."""
    found = [indivisible(name, recipe.stages[name].batch, group.size) for name in stages]
    problems = [evolve(problem, origin=recipe.origins.get(problem.path)) for problem in found if problem is not None]
    if problems:
        raise RecipeError(problems)
    shape_of(group, recipe.training)


def _prepare_text(
    model: UnifiedModel, folder: RunFolder, sources: Mapping[str, Source], tokenizer: Path | None, *, resume: bool
) -> None:
    """Load the text tokenizer that the run began with, or that is given, or train it on the sources."""
    if resume and (folder.path / TOKENIZER).exists():
        model.processor = Processor(model.plan, folder.path)
    elif tokenizer is not None:
        model.processor = _given_text(model.plan, tokenizer)
        folder.record("tokenizer", {"folder": str(tokenizer), "sha256": file_digest(tokenizer / TOKENIZER)})
    text = model.processor.text
    if not text.fitted:
        model.processor.fit(list(texts_of(sources.values())))
    folder.save_text(text)


def _given_text(plan: Plan, folder: Path) -> Processor:
    """The processor with the text tokenizer of a folder. Raises ``UsageError`` where it is missing or too large."""
    if not (folder / TOKENIZER).is_file():
        raise UsageError(f"tokenizer: {folder} has no {TOKENIZER}")
    processor = Processor(plan, folder)
    most = max(ids.stop for ids in plan.text_ids)
    if (size := getattr(processor.text, "size", 0)) > most:
        message = f"the text tokenizer of {folder} has {size} ids, and the backbone has {most} for text"
        raise UsageError(Problem(message, "backbone.vocabulary", hint="set a larger vocabulary"))
    return processor


def texts_of(sources: Iterable[Source]) -> Iterator[str]:
    """The texts of the first examples of each source, from which a text tokenizer learns."""
    for source in sources:
        for conversation in usable(source, TEXTS_TO_FIT):
            yield from (turn.text for turn in conversation.turns if turn.text)
