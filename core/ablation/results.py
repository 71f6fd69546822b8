"""The results of a study as plain records: what ``study.json`` holds, and what pages and tables are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

State = Literal["planned", "waiting", "running", "done", "failed", "stopped", "left out"]

NOT_REACHED = "not reached"
"""State of a stage that a run has not begun."""

FORMAT = 1
"""The version of ``study.json``."""


@frozen
class MetricResult:
    """A metric of a run. ``low`` and ``high``: its 95 % interval over items, which knows nothing of seeds."""

    value: float
    count: int = 0
    low: float | None = None
    high: float | None = None


@frozen
class MetricFacts:
    """How a metric is read. ``chance``: its value without knowledge, None where there is none."""

    direction: Literal["up", "down"] = "up"
    chance: float | None = None


@frozen
class CurvePoint:
    """An entry of a run's log: losses by name after ``step`` steps of ``stage``, ``total`` of the run."""

    stage: str
    step: int
    total: int
    samples: int
    seconds: float
    losses: Mapping[str, float]


@frozen
class ShownItem:
    """A prompt or question with what one run made of it.

    ``picture``: path of a PNG file relative to the study's folder, empty for an answer. ``about``: that of the picture
    a question is about.
    """

    item: str
    prompt: str
    answer: str = ""
    expected: str = ""
    correct: bool | None = None
    picture: str = ""
    about: str = ""


@frozen
class RunResult:
    """A cell trained with a seed. ``reason``: why it failed, stopped or waits. ``folder``: relative to the study's.

    ``stages``: by name, "trained", "reused" or "not reached". ``weights_sha256``: of the finished model.
    """

    seed: int
    state: State = "planned"
    reason: str = ""
    folder: str = ""
    seconds: float = 0.0
    scores: Mapping[str, MetricResult] = field(factory=dict)
    stages: Mapping[str, str] = field(factory=dict)
    curve: tuple[CurvePoint, ...] = ()
    shown: tuple[ShownItem, ...] = ()
    weights_sha256: str = ""
    resumes: int = 0
    skipped_steps: int = 0


@frozen
class StageBudget:
    """What a stage of a cell takes. ``positions``: text, looked_at, drawn. ``flops`` None where it is not known."""

    steps: int
    samples: int
    samples_by_source: Mapping[str, int] = field(factory=dict)
    positions: Mapping[str, int] = field(factory=dict)
    flops: float | None = None


@frozen
class CellBudget:
    """What a cell takes and has. ``parameters``: total, trained, to_look, to_draw. ``disk``: the most bytes that a
    run leaves: its model, and its finished stages in float32.

    ``residue``: by how much it misses what is held equal, as a sentence; empty where nothing is missed.
    """

    stages: Mapping[str, StageBudget] = field(factory=dict)
    samples: int = 0
    positions: Mapping[str, int] = field(factory=dict)
    flops: float | None = None
    parameters: Mapping[str, int] = field(factory=dict)
    disk: int = 0
    residue: str = ""


@frozen
class CellChange:
    """A setting in which a cell differs from the baseline, as TOML; empty on a side that has none."""

    path: str
    baseline: str
    value: str


@frozen
class CellResult:
    """A cell with its runs. ``values``: the value of each axis that made it. ``summary``: what it changes, in short."""

    name: str
    summary: str
    values: Mapping[str, str]
    changes: tuple[CellChange, ...]
    budget: CellBudget
    runs: tuple[RunResult, ...]

    def scores(self, metric: str) -> dict[int, float]:
        """The values of a metric by seed, of runs that are done and have it."""
        return {run.seed: run.scores[metric].value for run in self.runs if run.state == "done" and metric in run.scores}


@frozen
class StudyResults:
    """A study with everything that its page shows.

    ``primary``: name of the metric that the study is about, ``margin`` of its equivalence tests (0: none),
    ``direction`` that the study gives it (empty: the benchmark's). ``groups``:
    metrics by the benchmark and group that they belong to, in order. ``tokenizer``: a sentence about the shared text
    tokenizer. ``equal``: a sentence about what is held equal. ``provenance``: versions, processor, git, command.
    """

    name: str
    description: str
    study_text: str
    baseline: str
    primary: str
    margin: float
    planned_seeds: tuple[int, ...]
    metrics: Mapping[str, MetricFacts]
    groups: Mapping[str, tuple[str, ...]]
    cells: tuple[CellResult, ...]
    left_out: tuple[str, ...] = ()
    tokenizer: str = ""
    equal: str = ""
    evaluations: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    provenance: Mapping[str, Any] = field(factory=dict)
    written: str = ""
    direction: Literal["up", "down", ""] = ""
    format: int = FORMAT

    def cell(self, name: str) -> CellResult:
        return next(cell for cell in self.cells if cell.name == name)

    @property
    def done(self) -> int:
        return sum(run.state == "done" for cell in self.cells for run in cell.runs)
