"""The steps of an evaluation, each of which several processes may divide: held-out losses, outputs and judgements."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve

from ..contracts import Item, OnStep, Progress
from ..errors import StorageError
from ..train.distributed.process_group import ProcessGroup
from .checked import CheckedBenchmark
from .judging import Judging
from .losses import LOSSES, ROWS, held_out_losses
from .outputs import OutputMaker
from .requests import Round
from .store import StoredLoss, shortened

if TYPE_CHECKING:
    from .outputs import Output


class EvaluationSteps:
    """The steps of one evaluation, on each of the processes."""

    def __init__(
        self, maker: OutputMaker, benchmark: CheckedBenchmark, progress: Progress, processes: ProcessGroup
    ) -> None:
        self.maker, self.benchmark, self.processes = maker, benchmark, processes
        self.served, self.store = maker.served, maker.store
        self.progress: Progress = progress if processes.main else lambda activity, done, of: None
        self.judging = Judging(benchmark, len(self.served.entries), self.progress)

    def check(self) -> int:
        """The number of stored outputs, all of which must be of the requests."""
        store = self.store
        if store is None:
            return 0

        def check() -> None:
            entries = self.served.entries
            stored = [entry for entry in entries if entry.item in store.outputs]
            forced = [entry for entry in entries if entry.item in store.losses]
            outputs, losses = {}, {}
            for done, entry in enumerate(stored, start=1):
                outputs[entry.item] = self.maker.digest(self.served.aimed(entry))
                self.progress("checking the store", done, len(stored) + len(forced))
            for done, entry in enumerate(forced, start=1):
                losses[entry.item] = self.maker.digest(self.served.aimed(entry), forced=True)
                self.progress("checking the store", len(stored) + done, len(stored) + len(forced))
            store.check(outputs, losses)

        self.processes.on_main(check)
        return len(store.outputs)

    def losses(self) -> list[Item]:
        """The held-out losses of all requests that have a reference, those of drawings first."""
        rounds = self.served.referenced(ROWS)
        mine = [part for part in self._own(rounds) if not self._stored_losses(part)]
        total, done, measured = sum(len(part.entries) for part in mine), 0, list[Item]()

        def work() -> list[Item]:
            nonlocal done
            for part in mine:
                measured.extend(self._losses(part))
                done += len(part.entries)
                self.progress("measuring losses", done, total)
            return measured

        everywhere = {item.item: item for items in self.processes.run_everywhere(work) for item in items}
        return [
            everywhere[entry.item] if entry.item in everywhere else self._stored_loss(part, entry.item, entry.cluster)
            for part in rounds
            for entry in part.entries
        ]

    def judged(self) -> list[Item]:
        """The items of all requests, in their order."""
        rounds = self.served.rounds(self.processes.size)
        items: dict[int, list[Item]] = {}
        if self.processes.size == 1:
            for part, on_step in self._steps(rounds):
                items |= self._judged(part, self.maker.compute(part, on_step))
        else:
            self.processes.run_everywhere(lambda: self._compute(self._own(rounds)))
            self.processes.on_main(self._gather)
            # Every round is an exchange, so that no process waits longer than a round takes to judge.
            for part in rounds:
                judged, self.judging.failures = self.processes.on_main(partial(self._judged_here, part))
                items |= judged
        return [item for number in sorted(items) for item in items[number]]

    def check_judged(self, *, allow_failures: bool) -> None:
        """Raise ``ComponentError`` where outputs were not judged, unless that is allowed."""
        hint = ""
        if self.store is not None and self.maker.lasts:
            hint = f"the outputs are kept in {self.store.folder}: evaluate again with it"
        self.judging.check(allow_failures=allow_failures, hint=hint)

    def _own(self, rounds: list[Round]) -> list[Round]:
        return rounds[self.processes.rank :: self.processes.size]

    def _compute(self, rounds: list[Round]) -> None:
        for part, on_step in self._steps(rounds):
            self.maker.compute(part, on_step)

    def _steps(self, rounds: list[Round]) -> Iterator[tuple[Round, OnStep]]:
        """The rounds, each with the progress over all rounds of its kind: in answers, or in codes of pictures."""
        for draws in (True, False):
            chosen = [part for part in rounds if part.draws == draws]
            unit = self.maker.codes if draws and chosen else 1
            activity, total = "drawing" if draws else "asking", unit * sum(len(part.entries) for part in chosen)
            done = 0
            for part in chosen:
                count = unit * len(part.entries)
                yield part, _overall(self.progress, activity, done, count, total)
                done += count
                self.progress(activity, done, total)

    def _gather(self) -> None:
        assert self.store is not None
        self.store.read()
        missing = [entry.item for entry in self.served.entries if entry.item not in self.store.outputs]
        if missing:
            raise StorageError(
                f"the store {self.store.folder} lacks {len(missing)} outputs of other processes "
                f"({shortened(missing)}): name a folder that all processes reach"
            )

    def _judged_here(self, part: Round) -> tuple[dict[int, list[Item]], list[tuple[str, str]]]:
        return self._judged(part, {}), self.judging.failures

    def _judged(self, part: Round, computed: dict[str, Output]) -> dict[int, list[Item]]:
        """The items of a round by the numbers of their requests."""
        # Drawings are written before any is judged, since a judge may fail after hours of drawing.
        files = self.maker.write(part, computed)
        outputs = [(self.served.own(entry), partial(self.maker.output, entry, computed)) for entry in part.entries]
        items: dict[int, list[Item]] = {}
        for entry, judged in zip(part.entries, self.judging.items(outputs), strict=True):
            if entry.item in files:
                judged = [evolve(item, prediction=files[entry.item]) for item in judged]
            items[entry.number] = judged
        return items

    def _losses(self, part: Round) -> list[Item]:
        requests = [self.served.aimed(entry) for entry in part.entries]
        with self.maker.sharing(part):
            transformed = self.maker.transformed(part, requests)
            items = held_out_losses(self.maker.model, transformed, lambda done, of: None)
        if self.store is not None:
            digests = [self.maker.digest(request, forced=True) for request in requests]
            self.store.add_losses(
                StoredLoss(item.item, digest, item.value)
                for item, digest in zip(items, digests, strict=True)
                if item.item not in self.store.losses
            )
        return items

    def _stored_losses(self, part: Round) -> bool:
        return self.store is not None and all(entry.item in self.store.losses for entry in part.entries)

    def _stored_loss(self, part: Round, item: str, cluster: str) -> Item:
        assert self.store is not None
        return Item(LOSSES[part.draws], item, cluster, self.store.losses[item].value)


def _overall(progress: Progress, activity: str, first: int, count: int, total: int) -> OnStep:
    """Progress over a total, from that of a call for ``count`` of it, of which a part may have been done before."""
    return lambda done, of: progress(activity, first + count - of + done, total)
