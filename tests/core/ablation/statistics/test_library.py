"""scipy as an extra: a sentence where it is missing, and modules that import without it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from janiform import UsageError
from janiform.ablation.statistics import compare_cells


def test_a_missing_scipy_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(UsageError, match=r"scipy, which is not installed \(.*\) \(pip install 'janiform\[study\]'\)"):
        compare_cells({"a": [1, 2, 4], "b": [2, 3, 3]}, "a")


def test_the_functions_are_imported_without_scipy_and_torch() -> None:
    code = "import sys, janiform.ablation.statistics; print(sorted({'scipy', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
