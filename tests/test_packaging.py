"""What users install: the wheel, built from the source distribution, and a plugin's wheel, in a new environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"core": "janiform", "plugins": "janiform_plugins", "recipes": "janiform_recipes"}
BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


def run(*command: str | Path, folder: Path) -> str:
    """The output of a command that must succeed, where nothing but installed packages can be imported."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "JANIFORM"))}
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**environment, "OMP_NUM_THREADS": "1"},
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
        pip = [sys.executable, "-m", "pip", "--python", self.scripts / "python", "--disable-pip-version-check"]
        run(*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-compile", wheel, folder=self.folder)

    def janiform(self, *arguments: str | Path) -> str:
        return run(self.scripts / "janiform", *arguments, folder=self.folder)

    def commands(self, *commands: list[str], before: str = "") -> str:
        """The output of several commands in one process, which imports torch once and runs ``before`` first."""
        code = (
            f"from janiform.cli import main\n{before}\nfor command in {commands!r}: assert main(command) == 0, command"
        )
        return run(self.scripts / "python", "-c", code, folder=self.folder)


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
