"""Models of the installed transformers: only its own classes; nothing is downloaded, and no other code is run."""

from __future__ import annotations

import contextlib
import copy
import inspect
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from janiform import ComponentError, CompositionError, PortMismatch, Problem, nearest

from .description import RUNS_CODE, Description

EXTRA = "install it with: pip install 'janiform[transformers]'"


def library() -> Any:
    """The package. Raises ``ComponentError`` where it is not installed."""
    try:
        import transformers
    except ImportError as error:
        raise ComponentError(Problem(f"the library transformers cannot be imported: {error}", hint=EXTRA)) from error
    return transformers


def config_of(described: Description) -> Any:
    """A new object of transformers' config class.

    Raises ``CompositionError`` where the installed transformers has no such type, or a setting is unknown or invalid.
    """
    return copy.deepcopy(_config(key_of(described), tuple(described.settings)))


def key_of(described: Description) -> str:
    """A description as one text."""
    return json.dumps(described.stated, sort_keys=True)


def class_setting(described: Description, names: Iterable[str]) -> Any:
    """The first of these settings that transformers' config class has, including its defaults; None if there is none.

    It is also None where transformers is not installed: a model can then be described, but not built.
    """
    try:
        config = config_of(described)
    except ComponentError:
        return None
    towers = [getattr(config, part, None) for part in ("text_config", "vision_config")]
    if kinds := [tower.model_type for tower in towers if getattr(tower, "model_type", None)]:
        message = f"'{config.model_type}' describes several models"
        raise PortMismatch(f"{message}: name the type of one, {' or '.join(kinds)}")
    return next((value for name in names if (value := getattr(config, name, None)) is not None), None)


@lru_cache(maxsize=16)
def _config(stated: str, from_recipe: tuple[str, ...]) -> Any:
    transformers = library()
    settings = json.loads(stated)
    model_type = settings.pop("model_type")
    classes = transformers.CONFIG_MAPPING
    if model_type not in classes:
        message = f"transformers {transformers.__version__} has no models of type '{model_type}'"
        hint = nearest(model_type, classes.keys()) or "another version may have it; code beside weights is never run"
        raise CompositionError(Problem(message, hint=hint))
    chosen = classes[model_type]
    try:
        names = {*chosen().to_dict(), *chosen.attribute_map, "rope_scaling", "rope_theta"} - RUNS_CODE
        config = chosen(**settings)
    except Exception as error:  # config classes validate in their own ways
        reason = str(error).strip().partition("\n")[0]
        raise CompositionError(Problem(f"transformers' {chosen.__name__} rejects its settings: {reason}")) from error
    unknown = [
        Problem(f"'{name}' is not a setting of {chosen.__name__}", hint=nearest(name, names))
        for name in from_recipe
        if name not in names and not _used_by_the_model(name, config)
    ]
    if unknown:
        raise CompositionError(unknown)
    with contextlib.suppress(Exception):  # some config classes require one
        config.pad_token_id = None  # the embedding of a padding token would not be trained; padding is masked here
    return config


def _used_by_the_model(name: str, config: Any) -> bool:
    """Whether the code of the model or of its config uses a setting that the config class does not list."""
    chosen = library().MODEL_MAPPING.get(type(config), None)
    chosen = chosen[0] if isinstance(chosen, list | tuple) else chosen
    sources = [_source(source) for source in (type(config), chosen) if source is not None]
    return any(re.search(rf"\b{re.escape(name)}\b", source) for source in sources)


@lru_cache(maxsize=8)
def _source(chosen: type) -> str:
    return Path(inspect.getfile(chosen)).read_text(encoding="utf-8")


def refuse(config: Any, why: str, hint: str = "") -> CompositionError:
    """The error for a model that cannot be bridged, with the reason."""
    return CompositionError(Problem(f"transformers' '{config.model_type}' cannot be bridged: {why}", hint=hint))
