"""What happens in a run, passed on to everything that shows or stores it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import evolve

from ...contracts.showcase import Samples
from ...recipe import Recipe
from .log import Log, LogEntry
from .reporter import Reporter
from .sinks import Sinks, open_sinks
from .skipped_samples import SkippedSample, SkippedSampleLog


class Events:
    """Passes the events of a run on to the terminal, the log, the sinks and the list of skipped samples.

    Args:
        reporter: the terminal; None shows nothing.
        log, sinks: None on all processes but the first.
        skipped: counts skipped samples, and lists them where it has a file.
    """

    def __init__(
        self,
        reporter: Reporter | None = None,
        log: Log | None = None,
        sinks: Sinks | None = None,
        skipped: SkippedSampleLog | None = None,
    ) -> None:
        self._reporter, self._log, self._sinks = reporter, log, sinks
        self._skipped = skipped or SkippedSampleLog()

    @classmethod
    @contextmanager
    def of_run(cls, reporter: Reporter, recipe: Recipe, folder: Path, *, total: int, writes: bool) -> Iterator[Events]:
        """The events of a run in a folder, of which ``total`` steps are done.

        Where this process ``writes``, the folder's files and the recipe's sinks are opened, and closed in the end.

        Raises ``RecipeError`` where a sink cannot be opened, and ``StorageError`` where a file cannot.
        """
        with ExitStack() as files:
            sinks, log = None, None
            if writes:
                sinks = files.enter_context(open_sinks(recipe, folder, reporter.say))
                log = files.enter_context(Log(folder / "log.jsonl", total))
            path = folder / "skipped.jsonl"
            skipped = files.enter_context(SkippedSampleLog(path if writes else None, total))
            for damage in ("" if log is None else log.damage, skipped.damage):
                if damage:
                    reporter.say(damage)
            yield cls(reporter, log, sinks, skipped)
            if skipped.counts:
                counts = ", ".join(f"{count} × {kind}" for kind, count in skipped.counts.most_common())
                reporter.say(f"samples that could not be used, or not whole: {counts}; see {path}")

    def say(self, message: str) -> None:
        """A message for the user."""
        if self._reporter is not None:
            self._reporter.say(message)

    def stage(self, name: str, done: int, steps: int) -> None:
        """A stage begins, or resumes, with ``done`` of its steps behind it."""
        if self._reporter is not None:
            self._reporter.stage(name, done, steps)

    def step(self) -> None:
        """A step is done."""
        if self._reporter is not None:
            self._reporter.advance()

    def skipped_samples(self, total: int, samples: Iterable[SkippedSample]) -> None:
        """Samples were skipped, or cut, in step ``total`` of the run."""
        self._skipped.add(total, samples)

    def entry(self, entry: LogEntry) -> None:
        """The figures of the steps since the last entry, to which the skipped samples are added."""
        entry = evolve(entry, skipped_samples=self._skipped.since())
        if self._reporter is not None:
            self._reporter.entry(entry)
        if self._log is not None:
            self._log.write(entry)
        if self._sinks is not None:
            self._sinks.entry(entry)

    def samples(self, samples: Samples, stage: str, total: int) -> None:
        """What the model made of a few examples after ``total`` steps of the run."""
        if self._sinks is not None:
            self._sinks.samples(samples, stage, total)
