"""Names of classes: one name, one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

CORE = Path(__file__).resolve().parent.parent / "core"

SHARED: dict[str, str] = {}
"""Names that several classes of ``core`` may have, with the reason."""


def test_no_two_classes_of_core_share_a_name() -> None:
    files = defaultdict(list)
    for file in sorted(CORE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                files[node.name.lstrip("_")].append(str(file.relative_to(CORE)))
    repeated = {name: paths for name, paths in files.items() if len(paths) > 1 and name not in SHARED}
    assert not repeated
    assert all(len(files[name]) > 1 for name in SHARED), "an exception is no longer needed"
