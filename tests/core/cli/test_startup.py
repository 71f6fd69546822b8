"""What commands import: they start fast because they leave out what they do not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMPILER = ("torch._dynamo", "torch._inductor", "sympy", "transformers")


@pytest.mark.parametrize(
    "arguments", [("--help",), ("components",), ("recipes",), ("show", "janus-pro-7b"), ("serve", "--help")]
)
def test_commands_about_recipes_do_not_import_torch(arguments: tuple[str, ...]) -> None:
    assert imported(arguments, ("torch", "numpy")) == []


@pytest.mark.parametrize("arguments", [("check", "janus-pro-7b"), ("check", "janus-mini-residual")])
def test_composing_a_model_does_not_import_torchs_compiler(arguments: tuple[str, ...]) -> None:
    assert imported(arguments, COMPILER) == []


def test_drawing_a_diagram_does_not_import_torchs_compiler(tmp_path: Path) -> None:
    assert imported(("show", "janus-pro-7b", "--diagram", str(tmp_path / "model.svg")), COMPILER) == []


def imported(arguments: tuple[str, ...], modules: tuple[str, ...]) -> list[str]:
    """Those of the modules that a process of its own has imported after a command."""
    code = f"""
import sys
from janiform.cli import main
assert main({list(arguments)!r}) == 0
print(*(name for name in {modules!r} if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()
