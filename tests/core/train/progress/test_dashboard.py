"""The live table says what is known of an entry, at every width."""

from __future__ import annotations

import io

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from janiform.train.progress.dashboard import Dashboard, facts, sparkline
from janiform.train.progress.log import LogEntry
from rich.console import Console

KNOWN = LogEntry(
    "s", 5, 10, 5, {"text": 0.5, "[b]": 2.0}, {"usage": 0.25}, 1e-3, 1.5, 99.0, 0.02, 3, 1.0,
    tokens=4000, tokens_per_second=12_340.0, packing=0.981, mfu=0.3125, memory=3_200_000_000,
)  # fmt: skip
UNKNOWN = LogEntry("s", 5, 10, 5, {"l1": 0.5}, {}, 1e-3, 1.5, 99.0, 0.0, 0, 1.0)


def shown(width: int, *entries: LogEntry) -> str:
    dashboard, file = Dashboard(), io.StringIO()
    for entry in entries:
        dashboard.take(entry)
    Console(file=file, width=width).print(dashboard)
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 120])
def test_everything_known_is_shown(width: int) -> None:
    text = shown(width, KNOWN)
    for piece in ("text", "0.5", "[b]", "0.001", "12.3 k", "31.2 %", "98.1 %", "2.0 %", "3.20 GB", "0.25", "skipped"):
        assert piece in text
    assert max(map(len, text.splitlines())) <= width


def test_a_loss_without_a_finite_step_is_a_dash() -> None:
    text = shown(120, KNOWN, evolve(KNOWN, losses={}, grad_norm=None, predictions={"text": 0, "[b]": 0}))
    assert text.count("–") == 3
    assert "0.5" not in text


def test_what_is_not_known_is_left_out() -> None:
    assert {"tokens/s", "MFU", "packing", "memory", "skipped"}.isdisjoint(dict(facts(UNKNOWN)))
    assert shown(120) == ""


@given(st.lists(st.one_of(st.floats(-1e9, 1e9), st.just(float("nan")), st.just(float("inf")))))
def test_a_sparkline_has_a_bar_for_each_value(values: list[float]) -> None:
    finite = [value for value in values if abs(value) < float("inf")]
    line = sparkline(values)
    assert len(line) == (len(values) if finite else 0)
    if len(set(finite)) > 1 and max(finite) - min(finite) > 1e-300:
        assert line[values.index(max(finite))] == "█"
        assert line[values.index(min(finite))] == "▁"
