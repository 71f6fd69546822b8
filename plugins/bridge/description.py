"""What a config.json of transformers says, as plain data. Neither torch nor transformers is needed to read one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

CONFIG = "config.json"

_ABOUT_FILES = {
    "architectures",
    "auto_map",
    "dtype",
    "finetuning_task",
    "gradient_checkpointing",
    "id2label",
    "label2id",
    "problem_type",
    "task_specific_params",
    "torch_dtype",
    "transformers_version",
    "use_cache",
}
"""What config files say beside the architecture. ``auto_map`` would name code in the directory: it is never run."""

RUNS_CODE = {
    "attn_implementation",
    "auto_map",
    "experts_implementation",
    "quantization_config",
    "trust_remote_code",
    "use_kernels",
    "use_pretrained_backbone",
}
"""Settings by which transformers would fetch weights or kernels, or replace the layers that are described."""


@frozen(kw_only=True)
class Description:
    """A model of transformers: its type, and the settings of its config class.

    A file that ``config`` names is read once, when the recipe is: what it says takes its place, so that the recipe of
    a run, and of the model that it ends with, needs no other file.
    """

    config: str | Mapping[str, Any] = field(
        default="",
        metadata={
            "help": "a config.json or its directory, relative to the recipe's file, or what is in it as a table; a "
            "path is replaced by what the file says",
            "path": True,
        },
    )
    model_type: str = field(
        default="", metadata={"help": 'the type of the model, such as "qwen3", where no config says it'}
    )
    settings: Mapping[str, Any] = field(
        factory=dict,
        metadata={"help": "settings of the type's config class, by their names in config.json; they come before its"},
    )
    unset: tuple[str, ...] = field(
        default=(),
        converter=tuple,
        metadata={"help": "settings that are null, which TOML cannot say; those of a file are put here"},
    )

    def __attrs_post_init__(self) -> None:
        config = self.config
        if isinstance(config, str):
            config, nulls = read(Path(config), self.part) if config else ({}, ())
            object.__setattr__(self, "config", config)
            object.__setattr__(self, "unset", tuple(dict.fromkeys((*self.unset, *nulls))))
        if not self.said.get("model_type"):
            raise ValueError('names no model: give config = "…/config.json", or model_type and settings')
        if bad := sorted(RUNS_CODE & self.settings.keys() | {name for name in self.settings if name.startswith("_")}):
            raise ValueError(f"settings holds {', '.join(bad)}: a recipe chooses what is built, not how it is run")

    @property
    def part(self) -> str:
        """The table of a config of several models that describes this one."""
        raise NotImplementedError

    @property
    def said(self) -> dict[str, Any]:
        """All settings, with ``model_type``; those of the recipe before those of the file."""
        nulls = {name: None for name in self.unset if name not in self.settings}
        kind = {"model_type": self.model_type} if self.model_type else {}
        assert not isinstance(self.config, str)
        return {**self.config, **nulls, **self.settings, **kind}


def read(path: Path, part: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a file says of the architecture, and the settings that it says are null.

    Of a model of several towers it is what stands in the table ``part``. Raises ``ValueError`` with a sentence.
    """
    path = path.expanduser()
    file = path / CONFIG if path.is_dir() else path
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"config {file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"config {file} is damaged or not JSON: {error}") from error
    if not isinstance(said, dict):
        raise ValueError(f"config {file} does not hold a table")
    if isinstance(said.get(part), dict):
        said = said[part]
    if said.get("quantization_config") is not None:
        raise ValueError(f"config {file} is of quantised weights, which are not read; take the model they were made of")
    if not isinstance(said.get("model_type"), str):
        raise ValueError(f"config {file} does not say its model_type")
    kept = {name: value for name, value in said.items() if name not in _ABOUT_FILES | RUNS_CODE and name[:1] != "_"}
    nulls = tuple(name for name, value in kept.items() if value is None)
    return {name: _whole(value) for name, value in kept.items() if value is not None}, nulls


def beside(config: str | Mapping[str, Any], name: str) -> dict[str, Any]:
    """Another JSON file of the directory that ``config`` names; empty where there is none that can be read."""
    if not isinstance(config, str) or not config:
        return {}
    path = Path(config).expanduser()
    try:
        said = json.loads(((path if path.is_dir() else path.parent) / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _whole(value: Any) -> Any:
    """A value without the nulls inside of it."""
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_whole(item) for item in value if item is not None]
    return value
