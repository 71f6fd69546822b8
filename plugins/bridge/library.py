"""Models as the installed transformers makes them: only its own classes, and nothing is fetched or run beside them."""

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
    """An object of transformers' config class, of the caller's own.

    Raises ``CompositionError`` where the installed transformers has no such type, a setting is none of its, or it
    refuses one.
    """
    return copy.deepcopy(_config(key_of(described), tuple(described.settings)))


def key_of(described: Description) -> str:
    """What a description says, as one text."""
    return json.dumps(described.said, sort_keys=True)


def class_says(described: Description, names: Iterable[str]) -> Any:
    """The first of some settings that transformers' config class has, its defaults included; None without any.

    None as well where transformers is not installed: a model can then be described, and not be built.
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
def _config(said: str, own: tuple[str, ...]) -> Any:
    transformers = library()
    settings = json.loads(said)
    kind = settings.pop("model_type")
    known = transformers.CONFIG_MAPPING
    if kind not in known:
        message = f"transformers {transformers.__version__} has no models of type '{kind}'"
        hint = nearest(kind, known.keys()) or "code that lies beside weights is never run; another version may know it"
        raise CompositionError(Problem(message, hint=hint))
    chosen = known[kind]
    try:
        names = {*chosen().to_dict(), *chosen.attribute_map, "rope_scaling", "rope_theta"} - RUNS_CODE
        config = chosen(**settings)
    except Exception as error:  # a config class checks as it likes
        reason = str(error).strip().partition("\n")[0]
        raise CompositionError(Problem(f"{chosen.__name__} of transformers refuses its settings: {reason}")) from error
    strange = [
        Problem(f"'{name}' is no setting of {chosen.__name__}", hint=nearest(name, names))
        for name in own
        if name not in names and not _read_by_the_model(name, config)
    ]
    if strange:
        raise CompositionError(strange)
    with contextlib.suppress(Exception):  # some config classes insist on one
        config.pad_token_id = None  # the row of a padding token would not learn; padding is masked here
    return config


def _read_by_the_model(name: str, config: Any) -> bool:
    """Whether the code of the model, or of its config, asks for a setting that the config class does not list."""
    chosen = library().MODEL_MAPPING.get(type(config), None)
    chosen = chosen[0] if isinstance(chosen, list | tuple) else chosen
    sources = [_source(asked) for asked in (type(config), chosen) if asked is not None]
    return any(re.search(rf"\b{re.escape(name)}\b", source) for source in sources)


@lru_cache(maxsize=8)
def _source(chosen: type) -> str:
    return Path(inspect.getfile(chosen)).read_text(encoding="utf-8")


def refuse(config: Any, why: str, hint: str = "") -> CompositionError:
    """What cannot be bridged, and the reason."""
    return CompositionError(Problem(f"transformers' '{config.model_type}' cannot be bridged: {why}", hint=hint))
