"""Plugins as users have them: installed distributions with an entry point, made up on the spot."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from janiform import registry

sys.path.insert(0, str(Path(__file__).parent))  # so that tests, and components of tests, can import tiny_parts

PREAMBLE = """
import attrs
from janiform import Features, hookimpl

def setting(default=attrs.NOTHING, help="What it is for."):
    return attrs.field(default=default, metadata={"help": help})

@attrs.frozen
class Config:
    width: int = setting(8)

    def features(self): return Features(1, self.width)
    def transform(self): ...
    def adapt(self, source, hidden): return source
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """``install("name", code)`` makes a distribution whose entry point ``name`` is a module of this code."""
    monkeypatch.syspath_prepend(str(tmp_path))
    modules: list[str] = []

    def make(name: str, code: str, *, distribution: str | None = None, version: str = "1.0") -> Path:
        module = f"fake_plugin_{name.replace('-', '_')}"
        modules.append(module)
        (tmp_path / f"{module}.py").write_text(PREAMBLE + textwrap.dedent(code), encoding="utf-8")
        distribution = distribution or f"janiform-{name}"
        info = tmp_path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        with (info / "entry_points.txt").open("a") as file:
            file.write(f"[janiform]\n{name} = {module}\n" if file.tell() == 0 else f"{name} = {module}\n")
        registry.cache_clear()
        return tmp_path

    yield make
    registry.cache_clear()
    for module in modules:
        sys.modules.pop(module, None)
