"""The conformance tests of a kind as a class of pytest tests."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException, StopTest, Unsatisfiable

from ..components.kinds import KINDS
from ..components.registry import registry
from ..ports import PortMismatch
from .benchmarks import BENCHMARK_CHECKS
from .case import Case, Failure
from .common import COMMON_CHECKS, registers_without_torch, repeated_outputs
from .formats import FORMAT_CHECKS
from .kernels import KERNEL_CHECKS, KernelCase, kernel_cases
from .kinds import KIND_CHECKS, checks_of
from .layouts import LAYOUT_CHECKS
from .objectives import OBJECTIVE_CHECKS
from .samplers import SAMPLER_CHECKS
from .sinks import SINK_CHECKS
from .sources import SOURCE_CHECKS
from .texts import TEXT_CHECKS
from .tilings import TILING_CHECKS

CHECKS = {
    **{kind.name: (*COMMON_CHECKS, *KIND_CHECKS.get(kind.name, ())) for kind in KINDS.values() if kind.weights},
    "text": TEXT_CHECKS,
    "tiling": TILING_CHECKS,
    "source": SOURCE_CHECKS,
    "objective": OBJECTIVE_CHECKS,
    "sampler": SAMPLER_CHECKS,
    "layout": LAYOUT_CHECKS,
    "sink": SINK_CHECKS,
    "benchmark": BENCHMARK_CHECKS,
    "format": FORMAT_CHECKS,
}
"""The checks of each kind of component that is tested with settings; kernels are tested with batches."""

TESTED_KINDS = tuple(CHECKS)

Settings = Mapping[str, Any]
Check = Callable[[Case], None]


def conforms(
    kind: str,
    name: str,
    settings_of: Settings | st.SearchStrategy[Settings] | None = None,
    *,
    examples: int = 5,
    without: tuple[str, ...] = (),
) -> type:
    """Tests of the contract that a component must follow, as a class for a test module: ``TestMine = conforms(…)``.

    Args:
        kind: any kind of component. Kernels are tested with their defaults on a device that they support; without
            one their tests are skipped, with the reason.
        name: name of the component, as in a recipe.
        settings_of: settings of the config, for a small part, or a hypothesis strategy that draws such settings.
        examples: number of sizes and seeds that each test draws.
        without: names of checks that do not apply; give the reason in a comment.

    Raises:
        ComponentError: there is no such component, or its plugin failed.
        ValueError: there are no conformance tests for the kind.
    """
    if kind == "kernel":
        return _of_kernel(name, examples, without)
    if kind not in TESTED_KINDS:
        kinds = ", ".join((*TESTED_KINDS, "kernel"))
        raise ValueError(f"there are no conformance tests for the kind '{kind}', only for {kinds}")
    config = registry().find(kind, name).config
    drawn = settings_of if isinstance(settings_of, st.SearchStrategy) else st.just(dict(settings_of or {}))
    applicable = (*COMMON_CHECKS, *checks_of(kind, config)) if KINDS[kind].weights else CHECKS[kind]
    checks = {check.__name__: check for check in applicable}
    _check_names(without, checks)
    tests: dict[str, Any] = {
        f"test_{check}": _test(kind, name, checks[check], drawn, examples) for check in checks if check not in without
    }
    tests["test_registers_without_torch"] = _once(kind, name)
    return _class(name, tests)


def _of_kernel(name: str, examples: int, without: tuple[str, ...]) -> type:
    cases, reason = kernel_cases(name)
    checks = {check.__name__: check for check in KERNEL_CHECKS}
    _check_names(without, checks)
    tests: dict[str, Any] = {
        f"test_{name_of}": _skipped(reason) if cases is None else _kernel_test(check, cases, examples)
        for name_of, check in checks.items()
        if name_of not in without
    }
    tests["test_registers_without_torch"] = _once("kernel", name)
    return _class(name, tests)


def _kernel_test(
    check: Callable[[KernelCase], None], cases: st.SearchStrategy[KernelCase], examples: int
) -> Callable[[Any], None]:
    @_drawn(examples)
    @given(case=cases)
    def try_it(case: KernelCase) -> None:
        run_check(check, case)

    return _reported(check, try_it, [])


def _skipped(reason: str) -> Any:
    @pytest.mark.skip(reason=reason)
    def test(self: Any) -> None: ...

    return test


def _class(name: str, tests: dict[str, Any]) -> type:
    return type(f"Test{name.title().replace('-', '').replace('.', '')}", (), tests)


def _check_names(without: tuple[str, ...], checks: Mapping[str, Any]) -> None:
    unknown = set(without) - checks.keys()
    if unknown:
        raise ValueError(f"there is no check {', '.join(sorted(unknown))}; known: {', '.join(sorted(checks))}")


def _drawn(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        print_blob=False,
        phases=(Phase.explicit, Phase.generate),  # the message names the settings; shrinking them takes seconds
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


def _test(
    kind: str, name: str, check: Check, drawn: st.SearchStrategy[Settings], examples: int
) -> Callable[[Any], None]:
    refusals: list[str] = []

    @_drawn(examples)
    @given(chosen=drawn, seed=st.integers(0, 999))
    def try_it(chosen: Settings, seed: int) -> None:
        case = Case.draw(kind, name, chosen, seed)
        try:
            if KINDS[kind].gives:
                case.gives  # noqa: B018 - a part may refuse its inputs, and others are drawn then
        except PortMismatch as mismatch:
            refusals.append(f"{case.name}: refuses all inputs; the last reason was: {mismatch}")
            reject()
        run_check(check, case)

    return _reported(check, try_it, refusals)


class Report(pytest.fail.Exception, Failure):  # type: ignore[name-defined, misc]  # pytest's class is not typed
    """A failure that pytest shows as its message alone."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.pytrace = False


def _reported(check: Callable[..., None], try_it: Callable[[], None], refusals: list[str]) -> Callable[[Any], None]:
    """A test whose failure is one message, without the frames of the kit and of hypothesis."""

    def test(self: Any) -> None:
        try:
            try_it()
        except Unsatisfiable:
            message = refusals[-1] if refusals else "no settings could be drawn"
        except Exception as error:
            message = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
        else:
            return
        raise Report(message)

    test.__doc__ = check.__doc__
    return test


_CONTROL = (KeyboardInterrupt, pytest.skip.Exception, pytest.exit.Exception, HypothesisException, StopTest)
"""What pytest, hypothesis and a user stop a test with."""


def run_check(check: Callable[[Any], None], case: Case | KernelCase) -> None:
    """Run one check of one case. Raises ``Failure`` with a message, whatever the part itself raises.

    A part that is not deterministic fails most checks, which compare two outputs; the message then says that.
    """
    try:
        check(case)
    except Failure:
        if isinstance(case, Case) and (check in COMMON_CHECKS or check in KIND_CHECKS.get(case.kind, ())):
            _check_repeats(case)
        raise
    except BaseException as error:  # any code of the part
        if isinstance(error, _CONTROL):
            raise
        claim = check.__name__.replace("_", " ")
        raise Failure(
            f"{case.name}: {type(error).__name__}: {error} ({_line_of(error)}), in the check that it {claim}"
        ) from error


def _check_repeats(case: Case) -> None:
    """Raise ``Failure`` where outputs differ from call to call; other errors of the part are not raised."""
    try:
        repeated_outputs(case)
    except Failure:
        raise
    except BaseException as error:  # any code of the part
        if isinstance(error, _CONTROL):
            raise


_LIBRARIES = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent))


def _line_of(error: BaseException) -> str:
    """The last line of the part itself that led to an error, rather than one of janiform or of torch."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)]
    frame = (own or frames)[-1]
    return f"{frame.filename}:{frame.lineno}"


def _once(kind: str, name: str) -> Callable[[Any], None]:
    def try_it() -> None:
        registers_without_torch(Case(registry().find(kind, name), None, {}, 0))

    return _reported(registers_without_torch, try_it, [])
