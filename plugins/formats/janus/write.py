"""Writing a Janus in a public format: config files that read back as the same model, then the tensors."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from janiform import CompositionError, JaniformError, KeyMap, Problem, write_files

from ..config import SHARD_SIZE
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
"""Settings whose 0 stands for a size that follows from other settings -> that size, from the configs by path."""

FIXED = {"generation.tokenizer.groups": 32, "generation.tokenizer.attention": True, "generation.head.depth": 2}
"""Settings that neither format stores: they always have these values."""

FREE = frozenset(
    {"backbone.dropout", "understanding.encoder.attention_pool"}
    | {f"generation.tokenizer.{name}" for name in ("l1", "l2", "codebook", "commitment", "entropy", "reseed")}
)
"""Settings that do not change the output of a trained model."""

UNWRITTEN = ("text", "generation.sampler")
"""Parts that the config files do not describe: the tokenizer has its own file, and every tool its own sampler."""


@attrs.frozen
class Described:
    """The settings of a model that the config files of a format describe.

    ``paths``: the parts. ``implied``: settings whose 0 stands for a size that follows from others -> that size.
    ``free``: settings that need not be the same when the files are read back.
    """

    paths: tuple[str, ...]
    implied: Mapping[str, Callable[[Mapping[str, Any]], int]]
    free: frozenset[str]

    def differences(self, format_name: str, plan: Plan, read_back: Recipe) -> Iterator[Problem]:
        """The settings that the configs do not preserve."""
        before = {path: plan.parts[path].use.config for path in self.paths}
        after = {path: read_back.part(path).config for path in self.paths}
        for path in self.paths:
            for field in attrs.fields(type(before[path])):
                setting = f"{path}.{field.name}"
                value, read = (
                    self._value(setting, getattr(parts[path], field.name), parts) for parts in (before, after)
                )
                if setting not in self.free and value != read:
                    message = f"is {value!r}, but would be read back as {read!r} in format '{format_name}'"
                    yield Problem(message, setting)

    def _value(self, setting: str, value: Any, parts: Mapping[str, Any]) -> Any:
        return self.implied[setting](parts) if setting in self.implied and not value else value


JANUS = Described(tuple(path for path in PARTS if path not in UNWRITTEN), IMPLIED, FREE | FIXED.keys())


def write(
    format_name: str,
    model: Export,
    folder: Path,
    keys: Mapping[str, KeyMap],
    configs: Mapping[str, Any],
    read: Callable[[Path], Recipe],
    shard_size: int | None,
) -> None:
    """Write configs, text tokenizer and weights into a folder; existing files are replaced once all are on the disk.

    Args:
        configs: contents of the config files by name: a table for JSON, or a text.
        read: reads the recipe of a directory that holds the configs and the tokenizer.
        shard_size: maximum size of a weight file in bytes; None means 5 GB.

    Raises:
        CompositionError: the configs would be read as another model, or parts of the model have other shapes than in
            the format; every difference is listed, and nothing is written.
        StorageError: the folder cannot be written.
    """
    check(format_name, model, configs, read, JANUS, _save_tokenizer, list(_fixed(format_name, model.plan)))
    # transformers rejects files without this metadata
    weights = model.writers(keys, {"format": "pt"}, shard_size or SHARD_SIZE)
    write_files(folder, {**weights, **config_writers(model, configs, _save_tokenizer)})


def config_writers(
    model: Export, configs: Mapping[str, Any], save_text: Callable[[Export, Path], None]
) -> dict[str, Callable[[Path], None]]:
    """The writers of the config files and of the text tokenizer, for ``janiform.write_files``."""

    def text(path: Path) -> None:
        save_text(model, path.parent)

    def config(path: Path) -> None:
        path.write_text(_text(configs[path.name]), encoding="utf-8")

    return {"tokenizer.json": text, **dict.fromkeys(configs, config)}


def check(
    format_name: str,
    model: Export,
    configs: Mapping[str, Any],
    read: Callable[[Path], Recipe],
    described: Described,
    save_text: Callable[[Export, Path], None],
    problems: list[Problem],
) -> None:
    """Read the configs back and compare them with the model. Raises ``CompositionError``, with ``problems`` first."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, write_file in config_writers(model, configs, save_text).items():
            write_file(folder / name)
        try:
            problems += described.differences(format_name, model.plan, read(folder))
        except JaniformError as error:
            problems += [
                attrs.evolve(
                    problem, message=f"format '{format_name}' has no such model: {problem.message}", origin=None
                )
                for problem in error.problems
            ]
    if problems:
        raise CompositionError(problems)


def _fixed(format_name: str, plan: Plan) -> Iterator[Problem]:
    for setting, only in FIXED.items():
        path, _, name = setting.rpartition(".")
        value = getattr(plan.parts[path].use.config, name)
        if value != only:
            yield Problem(f"is {value!r}, but is always {only!r} in format '{format_name}'", setting)


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _save_tokenizer(model: Export, folder: Path) -> None:
    """Save the tokenizer's file; in other tools it must prepend the begin token, which the layout does in janiform."""
    model.text.save(folder)
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    if not content.get("post_processor"):
        begin = model.plan.recipe.layout.config.begin
        mark = {"id": begin, "ids": [model.text.id_of(begin)], "tokens": [begin]}
        first, second = {"SpecialToken": {"id": begin, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
        content["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [first, second],
            "pair": [first, second, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {begin: mark},
        }
        file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def dtype_of(model: Export) -> str:
    """The data type of the weights, as config files name it."""
    return str(model.dtype).removeprefix("torch.")
