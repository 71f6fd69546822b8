"""Where else the figures of a run go. A sink that fails is left out from then on; the run goes on."""

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
from ..progress.log import Entry


class Sinks:
    """The sinks of a run by their names in its recipe.

    Args:
        say: told once about each sink that is left out because it failed.
    """

    def __init__(self, sinks: Mapping[str, Sink], say: Callable[[str], None]) -> None:
        self._sinks = dict(sinks)
        self._say = say

    def entry(self, entry: Entry) -> None:
        """Hand a line of the log to every sink."""
        line = asdict(entry)
        self._each(lambda sink: sink.entry(line))

    def samples(self, samples: Samples, stage: str, total: int) -> None:
        """Hand samples to every sink."""
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
            except Exception as error:  # somebody else's code, and often somebody else's server
                del self._sinks[name]
                self._say(f"sink '{name}' failed and is left out from here on: {type(error).__name__}: {error}")
                with suppress(Exception):
                    sink.close()


def open_sinks(recipe: Recipe, folder: Path, say: Callable[[str], None]) -> Sinks:
    """The sinks of a recipe, opened for a run's folder.

    Raises:
        RecipeError: one problem for each sink that cannot be opened, with its place, before anything is trained.
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
