"""Running a study on one machine: a process for each run, several at a time, each on cores or a GPU of its own.

The folder is the state. A scheduler starts what is missing, polls what the processes write, and may end at any time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import evolve, frozen

from ..errors import UsageError
from .folder import evaluation_digest
from .prepare import PreparedStudy
from .run_keys import keys_of_run
from .run_place import RunPlace, Status
from .study import Cell, Study
from .worker import usable

_POLL_SECONDS = 0.5
_STOP_SECONDS = 120


@frozen
class Slot:
    """What one run computes on: processor cores, or the number of a GPU. Empty cores leave the choice to the system."""

    cores: tuple[int, ...] = ()
    gpu: int | None = None

    def environment(self) -> dict[str, str]:
        """The environment variables of a process in the slot."""
        threads = str(max(1, len(self.cores)))
        values = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads} if self.cores else {}
        return values if self.gpu is None else {**values, "CUDA_VISIBLE_DEVICES": str(self.gpu)}


def slots_of(count: int, gpus: int = 0) -> list[Slot]:
    """Slots with disjoint cores of this process, as many for each as there are; with a GPU each where there are GPUs.

    Raises ``UsageError`` where there are fewer cores, or GPUs, than slots.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    if count > len(cores):
        raise UsageError(f"--slots {count}: this process may use {len(cores)} cores")
    if gpus and count > gpus:
        raise UsageError(f"--slots {count}: there are {gpus} GPUs")
    each = len(cores) // count
    return [
        Slot(tuple(cores[number * each : (number + 1) * each]), number if gpus else None) for number in range(count)
    ]


@frozen(eq=False)
class _Running:
    process: subprocess.Popen[bytes]
    place: RunPlace
    slot: Slot


@frozen(eq=False)
class Planned:
    """A run that is missing."""

    cell: Cell
    seed: int
    place: RunPlace


def worker_command(study: Path, out: Path, cell: str, seed: int, options: Sequence[str] = ()) -> list[str]:
    """The command line of one run: idempotent, it resumes, evaluates or does nothing, whatever is missing."""
    return ["ablate", str(study), "--out", str(out), "--cell", cell, "--seed", str(seed), *options]


def run_study(
    prepared: PreparedStudy,
    slots: Sequence[Slot],
    *,
    device: str | None = None,
    retry: bool = False,
    options: Sequence[str] = (),
    reuse: Sequence[Path] = (),
    changed: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda sentence: None,
) -> bool:
    """Run what is missing of a study, and return whether all of it is done.

    Args:
        retry: start failed runs again.
        options: of every run's command.
        reuse: folders of other studies, whose finished stages the runs use.
        changed: called about twice per second, to show the states.

    Raises KeyboardInterrupt after SIGINT or SIGTERM, once all runs are stopped and saved.
    """
    return _Scheduler(prepared, slots, device, retry, options, reuse, changed, say).run()


class _Scheduler:
    def __init__(
        self,
        prepared: PreparedStudy,
        slots: Sequence[Slot],
        device: str | None,
        retry: bool,
        options: Sequence[str],
        reuse: Sequence[Path],
        changed: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.prepared, self.study, self.folder, self.options = prepared, prepared.study, prepared.folder, options
        self.changed, self.say = changed, say
        self.stores = [prepared.folder.nodes, *(other / "nodes" for other in reuse)]
        self.free = list(slots)
        self.running: list[_Running] = []
        self.failures: list[str] = []
        self.missing = [
            Planned(cell, seed, place)
            for cell, seed in self.study.runs()
            if _is_missing(place := self.folder.place(cell.name, seed), self.study, retry)
        ]
        self.stopped = False
        on = usable(device)
        self._run_keys = {cell.name: keys_of_run(prepared, cell, on) for cell in self.study.cells}
        self._digests: dict[tuple[str, int], tuple[str, ...]] = {}

    def keys(self, cell: str, seed: int) -> tuple[str, ...]:
        """The digests of a run's stages, by which runs that would wait for each other are started apart."""
        if (cell, seed) not in self._digests:
            found = self._run_keys[cell].of_seed(seed)
            self._digests[cell, seed] = tuple(key.digest for key in found.values())
        return self._digests[cell, seed]

    def run(self) -> bool:
        with self._signals():
            while (self.missing or self.running) and not self.stopped:
                self._reap()
                if self._hopeless():
                    self.missing = []
                while self.free and (planned := self._next()) is not None:
                    self._start(planned)
                self.changed()
                time.sleep(_POLL_SECONDS)
            if self.stopped:
                self._stop_all()
                raise KeyboardInterrupt(f"stopped; run the same command again to go on with {self.folder.path}")
        self.changed()
        places = [self.folder.place(cell.name, seed) for cell, seed in self.study.runs()]
        return all(place.status().state == "done" for place in places)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def ask(number: int, frame: object) -> None:
            self.stopped = True

        previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _next(self) -> Planned | None:
        """The next run: the first that needs no stage that another process trains now, else the first."""
        busy = {key for running in self.running for key in self.keys(running.place.cell, running.place.seed)}
        ready = [planned for planned in self.missing if not planned.place.claimed()]
        for planned in ready:
            needed = self.keys(planned.cell.name, planned.seed)
            if not any(key in busy and not self._stored(key) for key in needed):
                self.missing.remove(planned)
                return planned
        if ready and not self.running:
            self.missing.remove(ready[0])
            return ready[0]
        if not ready and self.missing and not self.running:  # other schedulers work on all that is left
            self.missing = [planned for planned in self.missing if _is_missing(planned.place, self.study, False)]
        return None

    def _stored(self, key: str) -> bool:
        return any((store / key).is_dir() for store in self.stores)

    def _start(self, planned: Planned) -> None:
        slot = self.free.pop(0)
        path = planned.place.path
        path.mkdir(parents=True, exist_ok=True)
        arguments = worker_command(self.study.file, self.folder.path, planned.cell.name, planned.seed, self.options)
        with (path / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "janiform", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **slot.environment()},
                start_new_session=True,  # Ctrl-C goes to the scheduler, which stops its runs
            )
        if slot.cores and hasattr(os, "sched_setaffinity"):
            with contextlib.suppress(OSError):
                os.sched_setaffinity(process.pid, slot.cores)
        self.running.append(_Running(process, planned.place, slot))

    def _reap(self) -> None:
        for running in [running for running in self.running if running.process.poll() is not None]:
            self.running.remove(running)
            self.free.append(running.slot)
            status, code = running.place.status(), running.process.returncode
            if status.state == "done":
                continue
            if status.state != "failed" and code not in (0, 130):
                reason = f"its process ended with {_exit(code)}{_last_line(running.place.path / 'worker.log')}"
                running.place.set(_failed(status, reason))
                status = running.place.status()
            if status.state == "failed":
                self.failures.append(status.reason.replace(str(running.place.path), ""))
                self.say(f"{running.place.cell}, seed {running.place.seed} failed: {status.reason}")

    def _hopeless(self) -> bool:
        """Whether the first two runs that ended failed for one reason, so that all others would as well."""
        if len(self.failures) != 2 or len(set(self.failures)) != 1 or not self.missing:
            return False
        if any(self.folder.place(cell.name, seed).status().state == "done" for cell, seed in self.study.runs()):
            return False
        self.say("the first two runs failed for the same reason, so no others are started; --retry tries again")
        return True

    def _stop_all(self) -> None:
        for running in self.running:
            with contextlib.suppress(ProcessLookupError):
                running.process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for running in self.running:
            try:
                running.process.wait(timeout=max(1.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
        self.changed()


def _is_missing(place: RunPlace, study: Study, retry: bool) -> bool:
    status = place.status()
    if status.state == "failed":
        return retry
    return status.state != "done" or status.evaluation != evaluation_digest(study)


def _failed(status: Status, reason: str) -> Status:
    return evolve(status, state="failed", reason=reason, ended=time.time())


def _exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"the signal {signal.Signals(-code).name}"
    return f"the signal {-code}"


def _last_line(path: Path) -> str:
    """The last line of a log, after a colon; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return f": {lines[-1].strip()[:300]}" if lines else ""
