"""Runs of a study as jobs of a cluster, through submitit: one idempotent job for each cell and seed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from ..errors import ComponentError, Problem, UsageError
from .prepare import PreparedStudy
from .schedule import worker_command

CLUSTERS = ("slurm", "local")


@define
class Job:
    """A run as a job: a command that does what is missing. When the cluster stops it, it saves and is queued again."""

    arguments: list[str]
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, eq=False, repr=False)

    def __call__(self) -> int:
        """Run the command, and return its exit code. Raises ``RuntimeError`` where it fails."""
        self._process = subprocess.Popen([sys.executable, "-m", "janiform", *self.arguments])
        code = self._process.wait()
        if code:
            raise RuntimeError(f"janiform {' '.join(self.arguments)} ended with exit code {code}")
        return code

    def checkpoint(self) -> Any:
        """Stop the command, which saves everything, and queue the job again."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()
        return DelayedSubmission(Job(self.arguments))


def submit_study(
    prepared: PreparedStudy, cluster: str, job_options: Sequence[str] = (), options: Sequence[str] = ()
) -> list[str]:
    """Submit the missing runs of a study as one array of jobs; a sentence for each.

    Raises ``UsageError`` for an unknown cluster or option, and ``ComponentError`` where submitit is not installed.
    """
    if cluster not in CLUSTERS:
        raise UsageError(Problem(f"--submit {cluster} is not known", hint=f"use {' or '.join(CLUSTERS)}"))
    try:
        import submitit
    except ImportError as error:
        hint = "pip install 'janiform[study]'"
        raise ComponentError(Problem("--submit needs the package submitit", hint=hint)) from error

    jobs = jobs_of(prepared, options)
    if not jobs:
        return ["all runs are done"]
    executor = submitit.AutoExecutor(folder=str(prepared.folder.path / "jobs"), cluster=cluster)
    try:
        executor.update_parameters(name=f"janiform-{prepared.study.name}", **_parameters(job_options))
    except (NameError, TypeError, ValueError) as error:
        problem = Problem(f"submitit refuses the options: {error}", hint="--submit-option timeout_min=600")
        raise UsageError(problem) from error
    with executor.batch():
        submitted = [executor.submit(job) for job in jobs.values()]
    return [f"{cell}, seed {seed}: job {job.job_id}" for (cell, seed), job in zip(jobs, submitted, strict=True)]


def jobs_of(prepared: PreparedStudy, options: Sequence[str] = ()) -> dict[tuple[str, int], Job]:
    """A job for each run that is not done, by cell and seed."""
    return {
        (cell.name, seed): Job(
            worker_command(_absolute(prepared.study.file), _absolute(prepared.folder.path), cell.name, seed, options)
        )
        for cell, seed in prepared.study.runs()
        if prepared.folder.place(cell.name, seed).status().state != "done"
    }


def _absolute(path: Path) -> Path:
    return path.absolute()


def _parameters(lines: Sequence[str]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise UsageError(Problem(f"--submit-option {line} is not an option", hint="write timeout_min=600"))
        text = value.strip()
        parameters[name.strip()] = int(text) if text.lstrip("-").isdecimal() else text
    return parameters
