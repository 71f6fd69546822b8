"""Conformance tests of sinks."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import asdict
from PIL import Image

from ..contracts.factories import make
from ..contracts.showcase import Samples
from ..errors import ComponentError
from ..train.progress.log import LogEntry
from .case import Case, require
from .common import keeps_its_config_through_a_recipe
from .small_model import small_recipe

STAGE = "tune"


def entry(total: int) -> dict[str, Any]:
    """A line of a run's log as a sink gets it."""
    line = LogEntry(
        stage=STAGE,
        step=total,
        steps=100,
        total=total,
        losses={"generation": 3.5, "text": 2.25},
        figures={"usage": 0.5},
        learning_rate=1e-3,
        grad_norm=0.7,
        samples_per_second=12.0,
        data_wait=0.01,
        skipped_steps=0,
        time=float(total),
        predictions={"generation": 640, "text": 20},
    )
    return asdict(line)


@contextmanager
def _sink(case: Case, folder: Path) -> Iterator[Any]:
    try:
        sink = make(case.component, case.config, folder, small_recipe())
    except ComponentError as error:
        if "failed:" in str(error) or "lacks" in str(error):
            raise
        pytest.skip(f"{case.name} cannot be opened here: {error}")
    try:
        yield sink
    finally:
        sink.close()


def _feed(sink: Any, first: int, last: int) -> None:
    for total in range(first, last):
        sink.entry(entry(total))
    sink.samples(Samples(Image.new("RGB", (8, 8)), (("how many?", "two", "three"),)), STAGE, last)


def takes_what_a_run_logs(case: Case) -> None:
    """Entries, samples with and without a picture, and a second run that resumes in the same folder are accepted."""
    with tempfile.TemporaryDirectory() as folder:
        for first, last in ((1, 5), (3, 7)):  # a resumed run repeats the steps after its checkpoint
            with _sink(case, Path(folder)) as sink:
                _feed(sink, first, last)
                sink.samples(Samples(None, (("why?", "", "because"),)), STAGE, last)
                sink.samples(Samples(Image.new("RGB", (8, 8)), ()), STAGE, last)


def ignores_keys_that_it_does_not_know(case: Case) -> None:
    """Keys that later versions add, and figures that a stage or its steps do not have, change nothing."""
    with tempfile.TemporaryDirectory() as folder, _sink(case, Path(folder)) as sink:
        later: Mapping[str, Any] = entry(1) | {"a_later_key": {"nested": [1, None]}, "another": "text"}
        sink.entry(later)
        sink.entry(entry(2) | {"losses": {}, "figures": {}, "predictions": {}, "grad_norm": None})


def leaves_an_entry_as_it_is(case: Case) -> None:
    """Entries and samples belong to the log and to other sinks, so a sink must not change them."""
    with tempfile.TemporaryDirectory() as folder, _sink(case, Path(folder)) as sink:
        line = entry(1)
        before = copy.deepcopy(line)
        sink.entry(line)
        require(line == before, f"{case.name}: changes the entry that it is given; copy it first")
        picture = Image.new("RGB", (8, 8), (255, 0, 0))
        sink.samples(Samples(picture, (("how many?", "two", "three"),)), STAGE, 1)
        require(
            picture == Image.new("RGB", (8, 8), (255, 0, 0)),
            f"{case.name}: changes the picture of the samples that it is given; copy it first",
        )


SINK_CHECKS: tuple[Callable[[Case], None], ...] = (
    takes_what_a_run_logs,
    ignores_keys_that_it_does_not_know,
    leaves_an_entry_as_it_is,
    keeps_its_config_through_a_recipe,
)
