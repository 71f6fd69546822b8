"""What users install: the wheel, built from the source distribution, and a plugin's wheel, in a new environment."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"core": "janiform", "plugins": "janiform_plugins", "recipes": "janiform_recipes"}
BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


def installed_only() -> dict[str, str]:
    """Variables of a process that can import nothing but installed packages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "JANIFORM"))}
    return {**kept, "OMP_NUM_THREADS": "1"}


def run(*command: str | Path, folder: Path) -> str:
    """The output of a command that must succeed, where nothing but installed packages can be imported."""
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=installed_only(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def build(project: Path, form: str, out: Path) -> Path:
    """A distribution of a project: ``form`` is the name of the hook that builds it. Nothing is downloaded."""
    run(sys.executable, "-c", BUILD, form, out, folder=project)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / "project" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "project")
    with tarfile.open(build(folder / "project", "build_sdist", folder / "sdist")) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return build(unpacked, "build_wheel", folder / "dist")


class Environment:
    """A virtual environment with the wheel. Its dependencies are those of the tests."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        run(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder.parent)
        self.scripts = folder / ("Scripts" if os.name == "nt" else "bin")
        self.folder = folder.parent
        self.install(wheel)
        paths = {"base": str(folder), "platbase": str(folder)}
        packages = Path(sysconfig.get_path("purelib", "venv", paths))
        # After the installation: pip would not install what these folders have. Their own *.pth files, by which a
        # checkout is installed, are not read.
        folders = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
        (packages / "dependencies.pth").write_text("\n".join(folders) + "\n")

    def install(self, wheel: Path) -> None:
        self._pip("--no-deps", "--no-compile", wheel)

    def require(self, requirement: str) -> None:
        """Fails unless the environment has what a requirement needs: nothing is downloaded."""
        self._pip(requirement)

    def _pip(self, *arguments: str | Path) -> None:
        pip = [sys.executable, "-m", "pip", "--python", self.scripts / "python", "--disable-pip-version-check"]
        run(*pip, "install", "--quiet", "--no-index", *arguments, folder=self.folder)

    def janiform(self, *arguments: str | Path) -> str:
        return run(self.scripts / "janiform", *arguments, folder=self.folder)

    def commands(self, *commands: list[str], before: str = "") -> str:
        """The output of several commands in one process, which imports torch once and runs ``before`` first."""
        code = (
            f"from janiform.cli import main\n{before}\nfor command in {commands!r}: assert main(command) == 0, command"
        )
        return run(self.scripts / "python", "-c", code, folder=self.folder)

    @contextlib.contextmanager
    def serving(self, model: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
        """A server of a model on a free port: its address, and its process, which is killed if it has not ended."""
        with subprocess.Popen(
            [self.scripts / "janiform", "serve", model, "--port", "0"],
            cwd=self.folder,
            env=installed_only(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as server:
            try:
                assert server.stdout is not None
                name, _, address = server.stdout.readline().strip().partition(" at ")
                assert name == model, server.stderr and server.stderr.read()
                yield address, server
            finally:
                server.kill()


def posted(url: str, body: dict[str, Any]) -> Any:
    """The JSON of a response to a request of JSON, by the standard library alone."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as response:
        return json.load(response)


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("installed") / "venv", wheel)


def test_the_wheel_contains_every_file_of_the_packages(wheel: Path) -> None:
    expected = {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(expected) > 300
    names = set(zipfile.ZipFile(wheel).namelist())
    assert expected - names == set()
    assert {name.partition("/")[0] for name in names - expected} == {"janiform-0.1.0.dist-info"}


def test_the_installed_wheel_draws_answers_and_writes_a_page(environment: Environment) -> None:
    assert str(environment.scripts.parent) in environment.commands(["plugins", "--json"])
    environment.commands(
        ["generate", "janus-mini", "a red circle", "--out", "pictures"],
        ["ask", "janus-mini", "pictures/a-red-circle-001.png", "is there a circle?"],
        ["demo", "--drawings", "1", "--answers", "1", "--steps", "1"],
        before="import janiform.report.demo; janiform.report.demo.SAMPLE = ''",  # its scores take most of the time
    )
    assert (environment.folder / "demo" / "index.html").stat().st_size > 10_000


def test_the_installed_wheel_serves_a_shipped_model_and_ends_at_sigterm(environment: Environment) -> None:
    environment.require("janiform[serve]")
    with environment.serving("janus-mini") as (address, server):
        (drawn,) = posted(f"{address}/v1/images/generations", {"prompt": "a red circle", "seed": 1})["data"]
        picture = Image.open(io.BytesIO(base64.b64decode(drawn["b64_json"])))
        assert (picture.format, picture.size) == ("PNG", (64, 64))
        content = [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{drawn['b64_json']}"}},
            {"type": "text", "text": "is there a circle?"},
        ]
        chat = posted(f"{address}/v1/chat/completions", {"messages": [{"role": "user", "content": content}]})
        assert chat["choices"][0]["message"]["content"].strip() in ("yes", "no")
        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=60)
        assert server.returncode == 0, errors


@pytest.mark.slow
def test_a_plugin_with_recipes_and_a_model_is_installed_as_a_wheel(environment: Environment) -> None:
    package = environment.folder / "janiform-wide"
    environment.janiform("new-plugin", "wide", "--kind", "embedding")
    module = package / "src" / "janiform_wide"
    registration = module / "__init__.py"
    registration.write_text(registration.read_text() + '    registrar.recipes("janiform_wide")\n')
    shutil.copy(package / "mini-wide.toml", module)
    shutil.copy(ROOT / "recipes" / "janus-mini.toml", module / "wide-shipped.toml")
    shutil.copytree(ROOT / "recipes" / "janus-mini", module / "wide-shipped")
    environment.install(build(package, "build_wheel", environment.folder / "dist"))
    shutil.rmtree(package / "src")
    shown = environment.commands(
        ["components", "embedding"],
        ["recipes"],
        ["check", "mini-wide", str(package / "mini-wide.toml")],
        ["ask", "wide-shipped", "hi", "--max-new-tokens", "2"],
    )
    assert "wide-shipped" in shown
    tests = run(environment.scripts / "python", "-m", "pytest", "-q", "-x", package / "tests", folder=package)
    assert " passed" in tests


def test_the_tests_of_a_new_plugin_run_without_an_editable_installation(environment: Environment) -> None:
    environment.janiform("new-plugin", "tested", "--kind", "head")
    workflow = environment.folder / "janiform-tested" / ".github" / "workflows" / "tests.yml"
    (install,) = [line for line in workflow.read_text().splitlines() if "pip install" in line]
    assert " -e " not in install
    assert "'.[test]'" in install
