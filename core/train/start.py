"""Where training begins: weights of other models, part by part, and their text tokenizer.

    {"." : "Janus-Pro-1B", "understanding.encoder": "siglip-large"}    the path nearest to a part decides

A directory is either a model of an installed layout, of which the parts of the same paths are taken, or holds one part,
alone or with others around it, whose component says what its tensors are called (``Released``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from attrs import field, frozen
from torch import Tensor, nn

from ..components.registry import registry
from ..compose import Plan, compose
from ..compose.build import build_modules, owners
from ..contracts import TextTokenizer
from ..errors import JaniformError, Origin, Problem, StorageError
from ..model import UnifiedModel
from ..recipe.grammar import WHOLE
from ..sequence.processor import Processor
from ..storage.faults import Faults
from ..storage.filling import fill
from ..storage.formats import format_of, recognise, unknown_layout
from ..storage.matching import Compared, match
from ..storage.tensors import tensors_of
from ..storage.weight_files import WeightFiles, read_json, weight_files
from ..weights import KeyMap, Piece, listed

STEMS = ("model", "pytorch_model", "diffusion_pytorch_model", "open_clip_model")

TOKENIZER = "tokenizer.json"


@frozen
class Placed:
    """The tensors of one part: our name -> the pieces in the files. ``grown``: those with more rows than the files."""

    files: WeightFiles
    pieces: Mapping[str, tuple[Piece, ...]]
    grown: Mapping[str, int] = field(factory=dict)
    unread: int = 0


def begin(model: UnifiedModel, start: Mapping[str, str], say: Callable[[str], None]) -> dict[str, Any]:
    """Fill the parts of a model from the directories of ``[start]``, and take up the text tokenizer that it names.

    Rows that a vocabulary has more than the files, and those of special tokens that the tokenizer is given, become the
    mean of the rows that were trained.

    Args:
        start: directory, or name of a model that ships, by path of a part, of a pathway, or "." for all parts.
        say: told in a sentence what each part begins with.

    Returns:
        What belongs into the provenance: by path, the directory and the sizes of its files.

    Raises:
        StorageError: a directory is missing, is of no known layout, or its tensors are not those of the recipe; every
            problem of every directory. Nothing is filled then.
    """
    if not start:
        return {}
    plan = model.plan
    problems: list[Problem] = []
    placed: dict[str, Placed] = {}
    for path, (name, folder) in _chosen(plan, start, problems).items():
        try:
            placed[path] = _placed(plan, path, model.part(path), folder, alone=name == path)
        except JaniformError as error:
            problems += [_with_place(plan, name, problem) for problem in error.problems]
    problems = list(dict.fromkeys(problems))
    text = _text(plan, start, problems)
    if problems:
        raise StorageError(problems)
    facts: dict[str, Any] = {}
    for path, found in placed.items():
        part = model.part(path)
        faults = Faults(found.files)
        fill(path, part, found.pieces, found.files, faults)
        if broken := faults.problems():
            raise StorageError(broken)
        facts[path] = {file.name: file.stat().st_size for file in found.files.files}
        folder = found.files.files[0].parent
        others = f"; {found.unread} tensors of other parts there are left alone" if found.unread else ""
        say(f"{path} begins with the weights of {folder}{others}")
        facts[path] = {"folder": str(folder), "files": facts[path]}
    if text is not None:
        tokenizer, added, folder = text
        model.processor = Processor(plan, text=tokenizer)
        facts["text"] = {"folder": str(folder), "added": added}
        more = f", and is given {', '.join(added)}" if added else ""
        say(f"text begins with the tokenizer of {folder}{more}")
    new = [] if text is None else [text[0].id_of(token) for token in text[1]]
    if "backbone" in placed:
        _mean_rows(model.part("backbone"), plan.hidden.vocabulary, placed["backbone"].grown, new, say)
    return facts


def _chosen(plan: Plan, start: Mapping[str, str], problems: list[Problem]) -> dict[str, tuple[str, Path]]:
    """The entry and directory of every part that is begun, by the path of its owner."""
    chosen: dict[str, tuple[str, Path]] = {}
    with_weights = owners(plan, None)
    for name in sorted(start, key=lambda name: (name != WHOLE, name.count("."), name)):
        folder = registry().models().get(start[name], Path(start[name]).expanduser())
        if not folder.is_dir():
            problems.append(_with_place(plan, name, Problem(f"there is no directory {folder}")))
        elif name == WHOLE:
            chosen |= dict.fromkeys(with_weights, (name, folder))
        elif name != "text":
            for path in owners(plan, (name,)):
                chosen[path] = (path if name in plan.parts else name, folder)
    return chosen


def _with_place(plan: Plan, name: str, problem: Problem) -> Problem:
    """The problem, where it does not say its place, at the entry of ``[start]`` that it comes from."""
    path = problem.path or f"start.{name}"
    origin = problem.origin or plan.recipe.origins.get(f'start."{name}"', plan.recipe.origins.get(f"start.{name}"))
    return attrs.evolve(problem, path=path, origin=origin)


def _placed(plan: Plan, path: str, part: nn.Module, folder: Path, *, alone: bool) -> Placed:
    if recognise(folder) is not None:
        return _of_model(plan, path, part, folder)
    component = plan.parts[path].use.component
    released = component.released_weights()
    if released is None or not alone:
        hint = f"name the part that it holds: start = {{ {path} = … }}" if released is not None else ""
        unknown = unknown_layout(folder)
        reason = f"; and {component.reference} does not say what its tensors are called elsewhere"
        raise StorageError(
            Problem(unknown.message + ("" if released is not None else reason), path, hint=hint or unknown.hint)
        )
    config = plan.parts[path].use.config
    _check_config(path, folder, released.differences, config)
    files = weight_files(folder, STEMS)
    maps = list(released.keys(config))
    names = max(maps, key=lambda names: _found(part, names, files))  # the first of several that fit equally well
    if not _found(part, names, files):
        some = listed(list(files.tensors)[:6])
        message = (
            f"{folder} has none of the tensors of {component.reference} under any name that it knows; it has {some}"
        )
        raise StorageError(Problem(message, path))
    return _compared(plan, path, part, names, files)


def _found(part: nn.Module, names: KeyMap, files: WeightFiles) -> int:
    theirs = (piece for name in tensors_of(part) for piece in names.theirs(name) or ())
    return sum(name in files.tensors for name in theirs)


def _check_config(path: str, folder: Path, differences: Any, config: Any) -> None:
    if differences is None or not (folder / "config.json").is_file():
        return
    file = folder / "config.json"
    try:
        found = differences(config, read_json(file))
    except ValueError as error:
        raise StorageError(Problem(str(error), path, Origin(str(file)))) from error
    if found:
        raise StorageError(
            [
                Problem(f"is {ours} in the recipe, and {theirs} in the config beside the weights", f"{path}.{name}",
                        Origin(str(file)), "the weights were trained with the latter")
                for name, (ours, theirs) in found.items()
            ]
        )  # fmt: skip


def _of_model(plan: Plan, path: str, part: nn.Module, folder: Path) -> Placed:
    """From the part of the same path in a whole model."""
    layout = format_of(folder).format
    theirs = compose(layout.recipe(folder))
    keys, files = layout.keys(theirs), layout.weights(folder)
    other = theirs.owner(path) if path in theirs.parts else None
    if other is None or other not in keys:
        known = ", ".join(owners(theirs, None))
        raise StorageError(Problem(f"the model in {folder} has no {path}", path, hint=f"it has {known}"))
    ours, its = plan.parts[path].use, theirs.parts[other].use
    if ours.component.name != its.component.name:
        message = f"is {ours.component.reference} in the recipe, and {its.component.reference} in {folder}"
        raise StorageError(Problem(message, path, hint="start it from a directory of its own, or leave it out"))
    matched = match(build_modules(theirs, device="meta"), keys, files, wanted=(other,))
    names = keys[other]
    held = {piece.name for pieces in matched.placed[other].values() for piece in pieces}
    return _compared(plan, path, part, names, files, held)


def _compared(
    plan: Plan, path: str, part: nn.Module, names: KeyMap, files: WeightFiles, held: set[str] | None = None
) -> Placed:
    """Every tensor of the part with its pieces in the files; ``held`` are the part's in them, where that is known."""
    compared = Compared(path, files)
    pieces: dict[str, tuple[Piece, ...]] = {}
    grown: dict[str, int] = {}
    for name, tensor in tensors_of(part).items():
        if names.is_own(name):
            continue
        found = names.pieces(name, tensor.shape)
        if found is None:
            compared.nameless.append(name)
            continue
        if path == "backbone" and (fewer := _fewer_rows(tensor, found, files, plan.hidden.vocabulary)) is not None:
            found, grown[name] = (fewer,), fewer.shape[0]
        for piece in found:
            compared.look_at(piece, tensor.is_floating_point())
        pieces[name] = found
    used = {piece.name for found in pieces.values() for piece in found}
    problems = [*compared.problems()]
    around = [name for name in files.tensors if name not in used and (held is None or name in held)]
    strange = [name for name in around if held is not None or names.covers(name)]
    strange = [name for name in strange if not names.why_unused(name) and names.repeated(name) not in files.tensors]
    if strange:
        problems.append(Problem(f"the files have tensors that it has no place for: {listed(strange)}", path))
    if problems:
        place = Origin(str(files.files[0] if len(files.files) == 1 else files.files[0].parent))
        raise StorageError([attrs.evolve(problem, origin=place) for problem in problems])
    unread = sum(not names.covers(name) for name in files.tensors) if held is None else 0
    return Placed(files, pieces, grown, unread)


def _fewer_rows(tensor: Tensor, pieces: tuple[Piece, ...], files: WeightFiles, vocabulary: int) -> Piece | None:
    """The piece of a tensor that has a row for every text id, where the files have fewer rows; else None."""
    stored = files.tensors.get(pieces[0].name)
    if stored is None or len(pieces) != 1 or tensor.dim() == 0 or tensor.shape[0] != vocabulary:
        return None
    if not 0 < stored.shape[0] < vocabulary or stored.shape[1:] != tensor.shape[1:]:
        return None
    return Piece(pieces[0].name, stored.shape, slice(0, stored.shape[0]))


@torch.no_grad()
def _mean_rows(
    backbone: nn.Module, vocabulary: int, grown: Mapping[str, int], new: list[int], say: Callable[[str], None]
) -> None:
    """Rows that nothing was read for, and those of new special tokens, become the mean of all others."""
    first = min(grown.values(), default=vocabulary)
    fresh = sorted({*range(first, vocabulary), *(id for id in new if id < vocabulary)})
    if not fresh:
        return
    for tensor in tensors_of(backbone).values():
        if tensor.dim() and tensor.shape[0] == vocabulary and tensor.is_floating_point():
            rows = torch.tensor(fresh, device=tensor.device)
            kept = torch.ones(vocabulary, dtype=torch.bool, device=tensor.device).index_fill(0, rows, False)
            tensor[rows] = tensor[kept].mean(dim=0, dtype=torch.float64).to(tensor.dtype)
    which = f"{fresh[0]} to {fresh[-1]}" if len(fresh) == fresh[-1] - fresh[0] + 1 else ", ".join(map(str, fresh))
    say(f"backbone: the rows of {len(fresh)} text ids, {which}, begin as the mean of the others")


def _text(
    plan: Plan, start: Mapping[str, str], problems: list[Problem]
) -> tuple[TextTokenizer, list[str], Path] | None:
    """The text tokenizer of the directory that ``text``, or else ".", names; what it was given; and the directory."""
    name = "text" if "text" in start else WHOLE
    if name not in start:
        return None
    folder = registry().models().get(start[name], Path(start[name]).expanduser())
    if not (folder / TOKENIZER).is_file():
        if name == "text" and folder.is_dir():
            problems.append(_with_place(plan, name, Problem(f"{folder} holds no {TOKENIZER}")))
        return None
    use = plan.recipe.text
    try:
        text: Any = use.component.load()(use.config, folder)
        added = list(text.complete()) if hasattr(text, "complete") else []
    except JaniformError as error:
        problems += [_with_place(plan, name, problem) for problem in error.problems]
        return None
    size = getattr(text, "size", 0)
    if size > plan.hidden.vocabulary:
        message = f"the tokenizer of {folder} has {size} ids, {len(added)} of them new, and the backbone has"
        hint = f"set backbone.vocabulary = {size}, or more"
        problems.append(_with_place(plan, name, Problem(f"{message} {plan.hidden.vocabulary}", hint=hint)))
    return text, added, folder
