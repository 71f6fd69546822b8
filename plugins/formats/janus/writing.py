"""Writing a Janus in one of the public layouts: configs that read back as the same model, then the tensors."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from janiform import CompositionError, JaniformError, KeyMap, Problem, write_files

from ..shards import SHARD
from .parts import PARTS

if TYPE_CHECKING:
    from janiform import Export, Plan, Recipe

IMPLIED: dict[str, Callable[[Mapping[str, Any]], int]] = {
    "backbone.kv_heads": lambda parts: parts["backbone"].heads,
    "backbone.head_width": lambda parts: parts["backbone"].width // parts["backbone"].heads,
    "understanding.encoder.inner": lambda parts: 4 * parts["understanding.encoder"].width,
    "generation.embedding.width": lambda parts: parts["generation.tokenizer"].code_width,
    "generation.head.inner": lambda parts: parts["backbone"].width,
}
"""Settings whose 0 stands for a size that follows from others, and what it is, given the configs by path."""

FIXED = {"generation.tokenizer.groups": 32, "generation.tokenizer.attention": True, "generation.head.depth": 2}
"""Settings that neither layout can say: it is always these."""

FREE = frozenset(
    {"backbone.dropout", "understanding.encoder.attention_pool"}
    | {f"generation.tokenizer.{name}" for name in ("l1", "l2", "codebook", "commitment", "entropy", "reseed")}
)
"""Settings that change nothing of what a trained model gives."""

UNWRITTEN = ("text", "generation.sampler")
"""Parts that are no business of the configs: the tokenizer's file comes along, and every tool has its own sampler."""


def write(
    layout: str,
    model: Export,
    folder: Path,
    keys: Mapping[str, KeyMap],
    configs: Mapping[str, Any],
    read: Callable[[Path], Recipe],
    shard_size: int | None,
) -> None:
    """Write configs, text tokenizer and weights into a folder; files that were there stand until all are on the disk.

    Args:
        configs: what to write by name: a table for JSON, or a text.
        read: gives the recipe of a directory that holds the configs and the tokenizer.
        shard_size: bytes that a file of weights has at most; None is 5 GB.

    Raises:
        CompositionError: the configs would be read as another model, or the model's parts have other shapes than the
            layout's; every difference is named, and nothing was written.
        StorageError: the folder cannot be written.
    """
    check(layout, model, configs, read)

    def text(path: Path) -> None:
        _save_tokenizer(model, path.parent)

    def config(path: Path) -> None:
        path.write_text(_text(configs[path.name]), encoding="utf-8")

    # transformers refuses files that do not say that they are PyTorch's
    weights = model.writers(keys, {"format": "pt"}, shard_size or SHARD)
    write_files(folder, {"tokenizer.json": text, **weights, **dict.fromkeys(configs, config)})


def check(layout: str, model: Export, configs: Mapping[str, Any], read: Callable[[Path], Recipe]) -> None:
    """Read the configs back, and compare what they say with what the model is."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, said in configs.items():
            (folder / name).write_text(_text(said), encoding="utf-8")
        _save_tokenizer(model, folder)
        problems = list(_fixed(layout, model.plan))
        try:
            problems += _differences(layout, model.plan, read(folder))
        except JaniformError as error:
            problems += [
                attrs.evolve(one, message=f"the {layout} layout has no such model: {one.message}", origin=None)
                for one in error.problems
            ]
    if problems:
        raise CompositionError(problems)


def _fixed(layout: str, plan: Plan) -> Iterator[Problem]:
    for place, only in FIXED.items():
        path, _, name = place.rpartition(".")
        value = getattr(plan.parts[path].use.config, name)
        if value != only:
            yield Problem(f"is {value!r}, and is always {only!r} in the {layout} layout", place)


def _differences(layout: str, plan: Plan, back: Recipe) -> Iterator[Problem]:
    """The settings that the configs do not keep."""
    paths = [path for path in PARTS if path not in UNWRITTEN]
    mine = {path: plan.parts[path].use.config for path in paths}
    theirs = {path: back.part(path).config for path in paths}
    for path in paths:
        for field in attrs.fields(type(mine[path])):
            place = f"{path}.{field.name}"
            ours, read = (_value(place, getattr(parts[path], field.name), parts) for parts in (mine, theirs))
            if place not in FREE and place not in FIXED and ours != read:
                yield Problem(f"is {ours!r}, and would be read as {read!r} in the {layout} layout", place)


def _value(place: str, value: Any, parts: Mapping[str, Any]) -> Any:
    return IMPLIED[place](parts) if place in IMPLIED and not value else value


def _text(said: Any) -> str:
    return said if isinstance(said, str) else json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def _save_tokenizer(model: Export, folder: Path) -> None:
    """The tokenizer's file; other tools let it put the begin mark before every text, which the layout does here."""
    model.text.save(folder)
    file = folder / "tokenizer.json"
    said = json.loads(file.read_text(encoding="utf-8"))
    if not said.get("post_processor"):
        begin = model.plan.recipe.layout.config.begin
        mark = {"id": begin, "ids": [model.text.id_of(begin)], "tokens": [begin]}
        first, second = {"SpecialToken": {"id": begin, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
        said["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [first, second],
            "pair": [first, second, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {begin: mark},
        }
        file.write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")


def dtype_of(model: Export) -> str:
    """The type of the weights, as configs name it."""
    return str(model.dtype).removeprefix("torch.")
