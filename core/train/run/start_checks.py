"""Checks of ``[start]``: whether its directories exist and their tensors fit the parts of a plan, by headers alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from attrs import field, frozen
from torch import Tensor, nn

from ...components.registry import registry
from ...compose import Plan, compose
from ...contracts import TextTokenizer
from ...errors import JaniformError, Origin, Problem, StorageError, UsageError
from ...model.modules import build_modules, owners
from ...recipe import Recipe, read_recipe
from ...recipe.grammar import WHOLE
from ...recipe.paths import hub_name, is_folder, user_path
from ...storage.formats import format_of, recognise
from ...storage.hub import snapshot_in
from ...storage.json_files import read_json
from ...storage.locate import hub_snapshot, unusable
from ...storage.matching import PartComparison, match
from ...storage.save import own_keys
from ...storage.tensors import tensors_of
from ...storage.weight_files import WeightFiles, weight_files
from ...weights import KeyMap, Piece, listed, shortened
from ..checkpoints.files import is_checkpoint, run_of

STEMS = ("model", "pytorch_model", "diffusion_pytorch_model", "open_clip_model")

TOKENIZER = "tokenizer.json"


Text = tuple[TextTokenizer, list[str], Path]
"""A text tokenizer, the special tokens that were added to it, and its directory."""


@frozen
class Placed:
    """The tensors of one part: name in the model -> pieces in the files. ``grown``: whose files have fewer rows."""

    files: WeightFiles
    pieces: Mapping[str, tuple[Piece, ...]]
    grown: Mapping[str, int] = field(factory=dict)
    unread: int = 0


def compared(
    plan: Plan, modules: Mapping[str, nn.Module], start: Mapping[str, str]
) -> tuple[dict[str, Placed], Text | None]:
    """Compare the directories of ``[start]`` with the parts of a plan, by headers alone: no weight is read.

    Args:
        modules: the parts by path, on any device; only names and shapes are used.

    Raises:
        StorageError: as ``begin``, each problem at its line of the recipe.
    """
    problems: list[Problem] = []
    placed: dict[str, Placed] = {}
    for path, (name, folder) in _chosen(plan, start, problems).items():
        try:
            placed[path] = _placed(plan, path, modules[path], folder, alone=name == path)
        except JaniformError as error:
            problems += [_at_entry(plan, name, problem) for problem in error.problems]
    problems = list(dict.fromkeys(problems))
    text = _text(plan, start, problems)
    if problems:
        raise StorageError(problems)
    return placed, text


def _chosen(plan: Plan, start: Mapping[str, str], problems: list[Problem]) -> dict[str, tuple[str, Path]]:
    """The entry and directory of every part that ``[start]`` covers, by the path of its owner."""
    chosen: dict[str, tuple[str, Path]] = {}
    with_weights = owners(plan, None)
    for name in sorted(start, key=lambda name: (name != WHOLE, name.count("."), name)):
        try:
            folder = _folder(start[name])
        except UsageError as error:
            problems += [_at_entry(plan, name, problem) for problem in error.problems]
            continue
        if not is_folder(folder):
            problems.append(_at_entry(plan, name, Problem(f"there is no directory {shortened(str(folder))}")))
        elif name == WHOLE:
            chosen |= dict.fromkeys(with_weights, (name, folder))
        elif name != "text":
            for path in owners(plan, (name,)):
                chosen[path] = (path if name in plan.parts else name, folder)
    return chosen


def _folder(name: str) -> Path:
    """The folder of a model that ships with a recipe, or at a path; of one in the hub's cache, its snapshot."""
    folder = registry().models().get(name, user_path(name))
    return hub_snapshot(name) if hub_name(name) and not is_folder(folder) else snapshot_in(folder)


def _at_entry(plan: Plan, name: str, problem: Problem) -> Problem:
    """The problem at its entry of ``[start]``, where the recipe has one, with its file in the message."""
    origins = plan.recipe.origins
    entry = origins.get(f'start."{name}"', origins.get(f"start.{name}"))
    message = problem.message if problem.origin is None or entry is None else f"{problem.message} (in {problem.origin})"
    return attrs.evolve(problem, message=message, path=problem.path or f"start.{name}", origin=entry or problem.origin)


def _placed(plan: Plan, path: str, part: nn.Module, folder: Path, *, alone: bool) -> Placed:
    component = plan.parts[path].use.component
    released = component.released_weights()
    if recognise(folder) is not None:
        layout = format_of(folder).format
        try:
            stored = compose(layout.recipe(folder))
        except StorageError:  # without a text tokenizer, for example, a single part can be read all the same
            if released is None or not alone:
                raise
        else:
            if path in stored.parts or released is None or not alone:
                return _of_model(plan, path, part, folder, stored, layout.keys(stored), layout.weights(folder))
    if is_checkpoint(folder):
        stored = compose(_recipe_of(folder))
        return _of_model(plan, path, part, folder, stored, own_keys(stored), _weights_of(folder))
    if released is None or not alone:
        hint = f"name the part that it contains: start = {{ {path} = … }}" if released is not None else ""
        unknown = unusable(folder)
        reason = f"; and {component.reference} has no names for tensors of other projects"
        raise StorageError(
            Problem(unknown.message + ("" if released is not None else reason), path, hint=hint or unknown.hint)
        )
    config = plan.parts[path].use.config
    _check_config(path, folder, released.differences, config)
    file = next((folder / name for name in released.files if (folder / name).is_file()), None)
    files = weight_files(folder, STEMS) if file is None else WeightFiles([file])
    maps = list(released.keys(config))
    names = max(maps, key=lambda names: _matches(part, names, files))  # the first of several that fit equally well
    if not _matches(part, names, files):
        some = listed(list(files.tensors)[:6])
        message = f"{folder} has none of the tensors of {component.reference} under any known name; it has {some}"
        raise StorageError(Problem(message, path))
    return _compared(plan, path, part, names, files)


def _matches(part: nn.Module, names: KeyMap, files: WeightFiles) -> int:
    file_names = (piece for name in tensors_of(part) for piece in names.in_files(name) or ())
    return sum(name in files.tensors for name in file_names)


def _check_config(path: str, folder: Path, differences: Any, config: Any) -> None:
    if differences is None or not (folder / "config.json").is_file():
        return
    file = folder / "config.json"
    try:
        different = differences(config, read_json(file))
    except ValueError as error:
        raise StorageError(Problem(str(error), path, Origin(str(file)))) from error
    if different:
        raise StorageError(
            [
                Problem(f"is {ours} in the recipe, and {theirs} in the config of the weights", f"{path}.{name}",
                        Origin(str(file)), "the weights were trained with the latter")
                for name, (ours, theirs) in different.items()
            ]
        )  # fmt: skip


def _recipe_of(checkpoint: Path) -> Recipe:
    """The recipe of a checkpoint's run. Raises ``StorageError`` where the checkpoint is no longer in its run."""
    recipe = run_of(checkpoint) / "recipe.toml"
    if not recipe.is_file():
        message = f"{checkpoint} is a checkpoint outside of its run: there is no {recipe}"
        raise StorageError(Problem(message, hint="give it in its run, as RUN/checkpoints/step-N"))
    return read_recipe(recipe)


def _weights_of(checkpoint: Path) -> WeightFiles:
    """The weights of a checkpoint, in float32. Raises ``StorageError`` for one with the shards of several processes."""
    if not (checkpoint / "model.safetensors").is_file():
        message = f"{checkpoint} holds the shards of several processes, and no whole weights"
        hint = "resume its run with one process, or start from the folder of the finished run"
        raise StorageError(Problem(message, hint=hint))
    return weight_files(checkpoint, ("model",))


def _of_model(
    plan: Plan,
    path: str,
    part: nn.Module,
    folder: Path,
    stored: Plan,
    keys: Mapping[str, KeyMap],
    files: WeightFiles,
) -> Placed:
    """The tensors of the part of the same path in a whole model, whose plan is ``stored``."""
    other = stored.owner(path) if path in stored.parts else None
    if other is None or other not in keys:
        paths = ", ".join(owners(stored, None))
        raise StorageError(Problem(f"the model in {folder} has no {path}", path, hint=f"it has {paths}"))
    wanted, found = plan.parts[path].use.component, stored.parts[other].use.component
    if wanted.name != found.name:
        message = f"is {wanted.reference} in the recipe, and {found.reference} in {folder}"
        raise StorageError(Problem(message, path, hint="start it from a directory of its own, or leave it out"))
    matched = match(build_modules(stored, device="meta"), keys, files, wanted=(other,))
    names = keys[other]
    held = {piece.name for pieces in matched.placed[other].values() for piece in pieces}
    return _compared(plan, path, part, names, files, held)


def _compared(
    plan: Plan, path: str, part: nn.Module, names: KeyMap, files: WeightFiles, held: set[str] | None = None
) -> Placed:
    """Every tensor of the part with its pieces in the files. ``held``: the part's names in them, where known."""
    compared = PartComparison(path, files)
    pieces: dict[str, tuple[Piece, ...]] = {}
    grown: dict[str, int] = {}
    for name, tensor in tensors_of(part).items():
        if names.is_own(name):
            continue
        of_tensor = names.pieces(name, tensor.shape)
        if of_tensor is None:
            compared.without_name.append(name)
            continue
        if path == "backbone" and (fewer := _fewer_rows(tensor, of_tensor, files, plan.hidden.vocabulary)) is not None:
            of_tensor, grown[name] = (fewer,), fewer.shape[0]
        for piece in of_tensor:
            compared.compare(piece, tensor.is_floating_point())
        pieces[name] = of_tensor
    used = {piece.name for of_tensor in pieces.values() for piece in of_tensor}
    problems = [*compared.problems()]
    others = [name for name in files.tensors if name not in used and (held is None or name in held)]
    surplus = [name for name in others if held is not None or names.covers(name)]
    surplus = [name for name in surplus if not names.why_unused(name)]
    for name in surplus:
        twin = names.repeated(name)
        if twin in files.tensors and not files.same(name, twin):
            problems.append(Problem(f"{name} differs from {twin}, but the part has one tensor for both", path))
    surplus = [name for name in surplus if names.repeated(name) not in files.tensors]
    if surplus:
        problems.append(Problem(f"the files have tensors that the part does not have: {listed(surplus)}", path))
    if problems:
        origin = Origin(str(files.files[0] if len(files.files) == 1 else files.files[0].parent))
        raise StorageError([attrs.evolve(problem, origin=origin) for problem in problems])
    unread = sum(not names.covers(name) for name in files.tensors) if held is None else 0
    return Placed(files, pieces, grown, unread)


def _fewer_rows(tensor: Tensor, pieces: tuple[Piece, ...], files: WeightFiles, vocabulary: int) -> Piece | None:
    """The piece of a tensor that has a row per text id, where the files have fewer rows; otherwise None."""
    stored = files.tensors.get(pieces[0].name)
    if stored is None or len(pieces) != 1 or tensor.dim() == 0 or tensor.shape[0] != vocabulary:
        return None
    if not 0 < stored.shape[0] < vocabulary or stored.shape[1:] != tensor.shape[1:]:
        return None
    return Piece(pieces[0].name, stored.shape, slice(0, stored.shape[0]))


def _text(plan: Plan, start: Mapping[str, str], problems: list[Problem]) -> Text | None:
    """The text tokenizer in the directory of ``text``, or else of "."; the tokens added to it; and the directory."""
    name = "text" if "text" in start else WHOLE
    if name not in start:
        return None
    try:
        folder = _folder(start[name])
    except UsageError:
        return None
    if not is_folder(folder):
        return None
    if is_checkpoint(folder):
        folder = run_of(folder)
    if not (folder / TOKENIZER).is_file():
        if name == "text":
            problems.append(_at_entry(plan, name, Problem(f"{folder} has no {TOKENIZER}")))
        return None
    use = plan.recipe.text
    try:
        text: Any = use.component.load()(use.config, folder)
        added = list(text.complete()) if hasattr(text, "complete") else []
    except JaniformError as error:
        problems += [_at_entry(plan, name, problem) for problem in error.problems]
        return None
    size = getattr(text, "size", 0)
    if size > plan.hidden.vocabulary:
        message = f"the tokenizer of {folder} has {size} ids, {len(added)} of them new, and the backbone has"
        hint = f"set backbone.vocabulary to {size} or more"
        problems.append(_at_entry(plan, name, Problem(f"{message} {plan.hidden.vocabulary}", hint=hint)))
    return text, added, folder
