"""The promises of a kind as a class of pytest tests."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from ..components.kinds import KINDS
from ..components.registry import registry
from ..ports import PortMismatch
from .case import Case, Failure
from .common import COMMON, registers_without_torch
from .kernels import CHECKS, KernelCase, kernel_cases
from .kinds import OF_KIND
from .sources import OF_SOURCES

TESTED_KINDS = (*(kind.name for kind in KINDS.values() if kind.weights), "source")

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
    """Tests of all that a component of a kind promises, as a class for a test module: ``TestMine = conforms(…)``.

    Args:
        kind: encoder, tokenizer, embedding, adapter, backbone, head, source or
            kernel. Kernels are tested with their defaults,
            where there is a device that they compute on; elsewhere their tests are skipped with the reason.
        name: of the component, as recipes write it.
        settings_of: a table of the config's fields, small ones, or a hypothesis strategy that draws such tables.
        examples: how many sizes and seeds each test draws.
        without: names of checks that do not apply, to be given with a reason in a comment.

    Raises:
        ComponentError: there is no such component, or its plugin failed.
        ValueError: there are no promises to test for the kind.
    """
    if kind == "kernel":
        return _of_kernel(name, examples, without)
    if kind not in TESTED_KINDS:
        kinds = ", ".join((*TESTED_KINDS, "kernel"))
        raise ValueError(f"conformance is tested for {kinds}, and not for the kind '{kind}'")
    registry().find(kind, name)
    drawn = settings_of if isinstance(settings_of, st.SearchStrategy) else st.just(dict(settings_of or {}))
    promises = OF_SOURCES if kind == "source" else (*COMMON, *OF_KIND.get(kind, ()))
    checks = {check.__name__: check for check in promises}
    _known(without, checks)
    tests: dict[str, Any] = {
        f"test_{check}": _test(kind, name, checks[check], drawn, examples) for check in checks if check not in without
    }
    tests["test_registers_without_torch"] = _once(kind, name)
    return _class(name, tests)


def _of_kernel(name: str, examples: int, without: tuple[str, ...]) -> type:
    cases, reason = kernel_cases(name)
    checks = {check.__name__: check for check in CHECKS}
    _known(without, checks)
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
    def test(self: Any, case: KernelCase) -> None:
        check(case)

    test.__doc__ = check.__doc__
    return test


def _skipped(reason: str) -> Any:
    @pytest.mark.skip(reason=reason)
    def test(self: Any) -> None: ...

    return test


def _class(name: str, tests: dict[str, Any]) -> type:
    return type(f"Test{name.title().replace('-', '').replace('.', '')}", (), tests)


def _known(without: tuple[str, ...], checks: Mapping[str, Any]) -> None:
    unknown = set(without) - checks.keys()
    if unknown:
        raise ValueError(f"no check is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(checks))}")


def _drawn(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )


def _test(
    kind: str, name: str, check: Check, drawn: st.SearchStrategy[Settings], examples: int
) -> Callable[[Any], None]:
    refusals: list[str] = []

    @_drawn(examples)
    @given(chosen=drawn, seed=st.integers(0, 999))
    def try_it(chosen: Settings, seed: int) -> None:
        case = Case.made(kind, name, chosen, seed)
        try:
            if KINDS[kind].gives is not None:
                case.gives  # noqa: B018 - a part may refuse what it is given, and is given something else then
        except PortMismatch as misfit:
            refusals.append(f"{case.name}: refuses whatever it is given, the last time because: {misfit}")
            reject()
        run_check(check, case)

    def test(self: Any) -> None:
        try:
            try_it()
        except Unsatisfiable:
            raise Failure(refusals[-1]) from None

    test.__doc__ = check.__doc__
    return test


def run_check(check: Check, case: Case) -> None:
    """One promise of one case. Raises ``Failure`` with a sentence, whatever the part itself raises."""
    try:
        check(case)
    except AssertionError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{frames[-1].filename}:{frames[-1].lineno}"
        promise = check.__name__.replace("_", " ")
        raise Failure(
            f"{case.name}: {type(error).__name__}: {error} ({where}), while it was seen whether it {promise}"
        ) from error


def _once(kind: str, name: str) -> Callable[[Any], None]:
    def test(self: Any) -> None:
        component = registry().find(kind, name)
        registers_without_torch(Case(component, None, {}, 0))

    test.__doc__ = registers_without_torch.__doc__
    return test
