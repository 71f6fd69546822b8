"""The sinks of a run, which get its log entries and samples. A sink that fails is dropped, and the run continues."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from attrs import asdict, evolve

from ...contracts import Sink
from ...contracts.factories import make
from ...contracts.showcase import Samples
from ...errors import JaniformError, Problem, RecipeError
from ...recipe import Recipe
from ...untrusted_text import text_of
from .log import LogEntry


class Sinks:
    """The sinks of a run by their names in its recipe.

    Args:
        say: called once for each sink that is dropped because it failed.
    """

    def __init__(self, sinks: Mapping[str, Sink], say: Callable[[str], None]) -> None:
        self._sinks = dict(sinks)
        self._say = say

    def entry(self, entry: LogEntry) -> None:
        """Pass an entry of the log to every sink."""
        line = asdict(entry)
        self._each(lambda sink: sink.entry(line))

    def samples(self, samples: Samples, stage: str, total: int) -> None:
        """Pass samples to every sink."""
        self._each(lambda sink: sink.samples(samples, stage, total))

    def __enter__(self) -> Sinks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._each(lambda sink: sink.close())

    def _each(self, call: Callable[[Sink], None]) -> None:
        for name, sink in list(self._sinks.items()):
            try:
                call(sink)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # sinks are plugins, and many depend on a server
                del self._sinks[name]
                self._say(
                    f"sink '{name}' failed and gets nothing from here on: {type(error).__name__}: {text_of(error)}"
                )
                with suppress(BaseException):
                    sink.close()


def open_sinks(recipe: Recipe, folder: Path, say: Callable[[str], None]) -> Sinks:
    """Open the sinks of a recipe for a run's folder.

    Raises:
        RecipeError: a problem for each sink that cannot be opened, with its position in the recipe.
    """
    sinks: dict[str, Sink] = {}
    problems: list[Problem] = []
    for name, use in recipe.sinks.items():
        path = f"sink.{name}"
        try:
            sinks[name] = make(use.component, use.config, folder, recipe)
        except JaniformError as error:
            origin = recipe.origins.get(f"{path}.use")
            problems += [evolve(problem, path=path, origin=problem.origin or origin) for problem in error.problems]
    if problems:
        Sinks(sinks, say).__exit__(None, None, None)
        raise RecipeError(problems)
    return Sinks(sinks, say)
