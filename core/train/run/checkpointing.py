"""When a run writes checkpoints, and the score of each."""

from __future__ import annotations

from attrs import evolve

from ...recipe import Training
from ..checkpoints.saver import Saver
from ..loop.stage import StageRun
from ..progress.events import Events
from ..progress.log import LogEntry


class Checkpointing:
    """Writes the checkpoints of a run's stages, one stage after another."""

    def __init__(self, saver: Saver, training: Training, events: Events) -> None:
        self._saver, self._training, self._events = saver, training, events
        self._saved = 0
        self._entries: list[LogEntry] = []

    def begin(self, run: StageRun) -> None:
        """Begin a stage, whose position is stored already or can be reached again."""
        self._saved = run.position.total
        self._entries = []

    def entry(self, entry: LogEntry) -> None:
        """Take in an entry of the log, whose losses the score of the next checkpoint is made of."""
        self._entries.append(entry)

    def after_step(self, run: StageRun) -> None:
        """Write a checkpoint where one is due. Raises ``StorageError`` where the previous one could not be written."""
        if run.position.step % self._training.checkpoint_every == 0:
            self._save(run)
        elif self._saver.failed and run.everyone.size == 1:
            self._saver.wait(alone=True)

    def finish(self, run: StageRun) -> None:
        """Make sure that the position is stored. Raises ``StorageError`` where a checkpoint could not be written."""
        if self._saved != run.position.total:
            self._save(run)
        self._saver.wait(alone=False)

    def _save(self, run: StageRun) -> None:
        self._saved = run.position.total
        if not run.alone or run.everyone.main:
            self._saver.begin(evolve(run.checkpoint(), score=self._score()), alone=run.sharded is None)

    def _score(self) -> float | None:
        """The mean of the loss that decides which checkpoint is best, over the steps since the last checkpoint."""
        name, entries = self._training.best, self._entries
        names = {name: None for entry in entries for name in {**entry.losses, **entry.predictions}}
        if name and entries and name not in names:
            losses = ", ".join(names)
            self._events.say(f"no checkpoint is kept as the best: training.best is '{name}', the losses are {losses}")
        counts = [entry.predictions.get(name, 0) for entry in entries]
        sums = [entry.losses.get(name, 0.0) * count for entry, count in zip(entries, counts, strict=True)]
        self._entries = []
        return sum(sums) / sum(counts) if sum(counts) else None
