"""The contents of a config.json of transformers as plain data, read without torch and transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen
from janiform import StorageError, parse_json, read_bounded, read_json

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
"""Settings that do not describe the architecture. ``auto_map`` names code in the directory, which is never run."""

RUNS_CODE = {
    "attn_implementation",
    "auto_map",
    "experts_implementation",
    "quantization_config",
    "trust_remote_code",
    "use_kernels",
    "use_pretrained_backbone",
}
"""Settings with which transformers would download weights or kernels, or replace layers."""


@frozen(kw_only=True)
class Description:
    """A model of transformers: its type, and the settings of its config class.

    A file that ``config`` names is read once, with the recipe, and its contents replace the path, so that the recipe
    of a run and of its model needs no other file.
    """

    config: str | Mapping[str, Any] = field(
        default="",
        metadata={
            "help": "config.json or its directory, relative to the recipe, or its contents as a table; a path is "
            "replaced by the contents of the file",
            "path": True,
        },
    )
    model_type: str = field(
        default="", metadata={"help": 'type of the model, such as "qwen3", where no config states it'}
    )
    settings: Mapping[str, Any] = field(
        factory=dict,
        metadata={"help": "settings of the type's config class, by their names in config.json, which they override"},
    )
    unset: tuple[str, ...] = field(
        default=(),
        converter=tuple,
        metadata={"help": "settings that are null, which TOML cannot express; includes those of the file"},
    )

    def __attrs_post_init__(self) -> None:
        config = self.config
        if isinstance(config, str):
            config, nulls = read(Path(config), self.part) if config else ({}, ())
            object.__setattr__(self, "config", config)
            object.__setattr__(self, "unset", tuple(dict.fromkeys((*self.unset, *nulls))))
        if not self.stated.get("model_type"):
            raise ValueError('names no model: set config = "…/config.json", or model_type and settings')
        if forbidden := sorted(
            RUNS_CODE & self.settings.keys() | {name for name in self.settings if name.startswith("_")}
        ):
            raise ValueError(
                f"settings must not hold {', '.join(forbidden)}: a recipe describes a model, not how it is run"
            )

    @property
    def part(self) -> str:
        """The name of this model's table in the config of a model of several towers."""
        raise NotImplementedError

    @property
    def stated(self) -> dict[str, Any]:
        """All settings, with ``model_type``; the recipe's override those of the file."""
        nulls = {name: None for name in self.unset if name not in self.settings}
        kind = {"model_type": self.model_type} if self.model_type else {}
        assert not isinstance(self.config, str)
        return {**self.config, **nulls, **self.settings, **kind}


def read(path: Path, part: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings of the architecture in a file, and the names of those that are null.

    For a model of several towers, they are read from the table ``part``. Raises ``ValueError``.
    """
    file = path
    try:
        path = path.expanduser()
        file = path / CONFIG if path.is_dir() else path
        config = parse_json(read_bounded(file))
    except OSError as error:
        raise ValueError(f"config {str(file)[:200]} cannot be read: {error.strerror}") from error
    except StorageError as error:
        raise ValueError(f"config {error}") from error
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"config {file} is not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"config {file} does not hold a JSON object")
    if isinstance(config.get(part), dict):
        config = config[part]
    if config.get("quantization_config") is not None:
        raise ValueError(f"config {file} has quantised weights, which janiform cannot read; use the original model")
    if not isinstance(config.get("model_type"), str):
        raise ValueError(f"config {file} does not state its model_type")
    kept = {name: value for name, value in config.items() if name not in _ABOUT_FILES | RUNS_CODE and name[:1] != "_"}
    nulls = tuple(name for name, value in kept.items() if value is None)
    return {name: _without_nulls(value) for name, value in kept.items() if value is not None}, nulls


def read_beside(config: str | Mapping[str, Any], name: str) -> dict[str, Any]:
    """Another JSON file in the directory that ``config`` names; empty if it cannot be read."""
    if not isinstance(config, str) or not config:
        return {}
    try:
        path = Path(config).expanduser()
        return read_json((path if path.is_dir() else path.parent) / name)
    except (StorageError, OSError, ValueError, RuntimeError):
        return {}


def _without_nulls(value: Any) -> Any:
    """A value without nested nulls."""
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value if item is not None]
    return value
