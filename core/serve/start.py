"""Models to a service: loaded under names, each with a runner of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

from ..errors import Problem, UsageError
from ..inference.batching import BatchingEngine
from .metrics import ModelMetrics, ServerMetrics
from .pool import WorkPool
from .runner import ModelRunner
from .served import ServedModel
from .service import Service

if TYPE_CHECKING:
    from ..inference.api import Model
    from ..inference.batching import BatchingEngine
    from ..model.unified_model import UnifiedModel
    from .settings import ServerSettings

_THREADS = 2
"""Threads that prepare prompts and decode pictures."""


def named_models(arguments: Sequence[str]) -> dict[str, str]:
    """Models by the names under which they are served, from ``MODEL`` or ``NAME=MODEL``.

    A folder is served under its own name, without those above it. Raises ``UsageError`` for a name that is used twice.
    """
    models: dict[str, str] = {}
    for argument in arguments:
        given, equals, model = argument.partition("=")
        if not equals or "/" in given:
            given, model = PurePath(argument).name or argument, argument
        if not given or not model:
            raise UsageError(f"'{argument}' must be MODEL or NAME=MODEL")
        if given in models:
            raise UsageError(
                Problem(
                    f"'{models[given]}' and '{model}' would both be served as '{given}'",
                    hint=f"give one of them another name: other={model}",
                )
            )
        models[given] = model
    return models


def _engine(make_engine: Callable[[UnifiedModel], BatchingEngine], model: UnifiedModel, models: int) -> BatchingEngine:
    """An engine of one of several models, which share the free memory."""
    engine = make_engine(model)
    engine.memory //= models
    return engine


@contextmanager
def running_service(
    models: Mapping[str, Model],
    settings: ServerSettings,
    on_bug: Callable[[Exception], None],
    make_engine: Callable[[UnifiedModel], BatchingEngine] = BatchingEngine,
) -> Iterator[Service]:
    """A service whose models compute until the context ends."""
    metrics = ServerMetrics()
    with closing(WorkPool(_THREADS)) as pool:
        served: dict[str, ServedModel] = {}
        for name, model in models.items():
            model.name = name  # which errors tell to clients, who must not see the path of a folder
            own = ModelMetrics(metrics, name, settings.queue)
            engine = partial(_engine, make_engine, model.model, len(models))
            runner = ModelRunner(name, engine, settings.queue, own, on_bug)
            served[name] = ServedModel(name, model, runner, own, pool, settings.deadline)
        for one in served.values():
            one.runner.start()
        try:
            yield Service(served, settings, metrics)
        finally:
            for one in served.values():
                one.runner.stop()
