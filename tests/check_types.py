"""Run mypy, strict, on ``janiform`` by package name: a type checker does not follow the folders' mapping, links do."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

with tempfile.TemporaryDirectory() as folder:
    for name, target in {"janiform": "core", "janiform_plugins": "plugins", "janiform_recipes": "recipes"}.items():
        (Path(folder) / name).symlink_to(ROOT / target)
    options = ["--config-file", ROOT / "pyproject.toml", "--cache-dir", ROOT / ".mypy_cache"]
    packages = ["-p", "janiform"]
    command = [sys.executable, "-m", "mypy", *options, *packages]
    sys.exit(subprocess.run(command, cwd=folder, env={**os.environ, "MYPYPATH": folder}, check=False).returncode)
