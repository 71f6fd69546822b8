"""Packages of ``janiform new-plugin`` with the guide's flow head and masked sampler: found, tested, used."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from janiform import Model, build_model, provenance_of, read_recipe, registry, sampler_of, save_model
from janiform.cli import main
from janiform.compose import compose
from janiform.contracts.factories import make
from janiform.testing import conforms

GUIDE = (Path(__file__).parents[2] / "docs" / "write-a-plugin.md").read_text(encoding="utf-8")
IMPORTS = """\
from __future__ import annotations
import attrs
from attrs import field, frozen, validators
"""
PLAIN = "from janiform import Codes, Hidden, Latents, PortMismatch, Values\n"
PROCESS = "import numpy as np\nfrom janiform import Corruption\n"
WITH_TORCH = """\
import torch
from janiform import (
    Canvas, Corrupted, Guidance, Hidden, Latents, Loss, Sampling, UsageError, generating, uniforms
)
from torch import Tensor, nn
from .config import *
"""


def block(begins: str, language: str = "python") -> str:
    """The only code block of the guide with a line that begins so."""
    blocks = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    (found,) = (block for block in blocks if any(line.startswith(begins) for line in block.splitlines()))
    return found


def parted(code: str, module: str) -> tuple[str, str]:
    """A block before and from the line of a class."""
    before, name, after = code.partition(module)
    return before, name + after


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """``package(kind, name, config class, its code, module class, its code)``: what a newcomer has after step 2."""
    made: list[str] = []

    def write(kind: str, name: str, config: tuple[str, str], module: tuple[str, str]) -> Path:
        folder = tmp_path / f"janiform-{name}"
        assert main(["new-plugin", name, "--kind", kind, "--out", str(folder)]) == 0
        (source,) = (folder / "src").iterdir()
        made.append(source.name)
        (source / "config.py").write_text(IMPORTS + PLAIN + config[1], encoding="utf-8")
        (source / "model.py").write_text(IMPORTS + WITH_TORCH + module[1], encoding="utf-8")
        registered = (source / "__init__.py").read_text(encoding="utf-8")
        old = re.search(r"import (\w+)Config", registered)
        assert old is not None
        registered = registered.replace(f"{old[1]}Config", config[0]).replace(f":{old[1]}", f":{module[0]}")
        (source / "__init__.py").write_text(registered, encoding="utf-8")
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        info = folder / "src" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()  # as `pip install -e .` does
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        points = project["entry-points"]["janiform"].items()
        (info / "entry_points.txt").write_text("[janiform]\n" + "".join(f"{one} = {place}\n" for one, place in points))
        monkeypatch.syspath_prepend(str(folder / "src"))
        importlib.invalidate_caches()
        registry.cache_clear()
        return folder

    yield write
    monkeypatch.undo()
    registry.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in made]:
        del sys.modules[name]


def keeps_its_promises(kind: str, name: str) -> None:
    """Run the conformance tests, but for the one that measures the time of an import."""
    tests = conforms(kind, name, examples=1)()
    checks = [name for name in dir(tests) if name.startswith("test_") and name != "test_registers_without_torch"]
    assert len(checks) > 6
    for check in checks:
        getattr(tests, check)()


def learns_and_draws(recipe: Path, folder: Path, capsys: Any) -> None:
    """A step of training, then a picture that is redrawn from what it says."""
    assert main(["check", str(recipe)]) == 0, capsys.readouterr().err
    model = build_model(compose(read_recipe(recipe)), seed=0)
    source_use = model.plan.recipe.sources["draw"]
    source = source_use.component.load()(source_use.config)
    examples = [source.example(index) for index in range(4)]
    model.processor.fit(turn.text for example in examples for turn in example.turns if turn.text)
    component = registry().find("objective", "autoregressive")
    objective: Any = make(component, component.config(), model)
    losses, _ = objective.losses(objective.prepare(examples, np.random.default_rng(0)))
    losses["generation"].mean.backward()
    assert all(weight.grad is not None for weight in model.part("generation.head").parameters())
    saved = str(save_model(model.eval().requires_grad_(False), folder / "model"))
    assert main(["generate", saved, "a red circle", "--steps", "3", "--out", str(folder / "first")]) == 0
    (drawn,) = (folder / "first").iterdir()
    assert provenance_of(drawn).settings["steps"] == 3
    assert main(["generate", saved, "--like", str(drawn), "--out", str(folder / "again")]) == 0
    assert "the same picture, pixel for pixel" in capsys.readouterr().err


def test_a_flow_head(package: Any, tmp_path: Path, capsys: Any) -> None:
    code = block("class FlowHeadConfig")
    config, module = parted(code, "class FlowHead(")
    folder = package("head", "my-flow", ("FlowHeadConfig", config), ("FlowHead", module))
    keeps_its_promises("head", "my-flow")
    recipe = folder / "mini-my-flow.toml"
    text = recipe.read_text(encoding="utf-8").partition("[generation]")[0]
    lines = block('tokenizer = { use = "kl"', "toml")
    recipe.write_text(text + lines.replace('use = "values"', 'use = "my-flow"'), encoding="utf-8")
    learns_and_draws(recipe, tmp_path, capsys)


def test_a_masked_sampler(package: Any, tmp_path: Path, capsys: Any) -> None:
    code, module = parted(block("class HidingConfig"), "class HidingSampler")
    config, process = parted(code, "class Hiding:")
    folder = package("sampler", "my-hiding", ("HidingConfig", config), ("HidingSampler", module))
    (folder / "src" / "janiform_my_hiding" / "process.py").write_text(PROCESS + process, encoding="utf-8")
    keeps_its_promises("sampler", "my-hiding")
    recipe = folder / "mini-my-hiding.toml"
    recipe.write_text(
        recipe.read_text(encoding="utf-8") + "embedding = { mask = true }\n\n[layout]\nfull_pictures = true\n",
        encoding="utf-8",
    )
    learns_and_draws(recipe, tmp_path, capsys)
    model = build_model(compose(read_recipe(recipe)), seed=0).eval()
    model.processor.fit(["a red circle"] * 4)
    shown: list[int] = []
    codes = sampler_of(model.plan).draw(
        model,
        [model.processor.drawing_prompt("a red circle")],
        seeds=[1],
        steps=4,
        on_codes=lambda some: shown.append(int((some >= 0).sum())),
    )
    places = codes.shape[1]
    assert shown == [places * step // 4 for step in (1, 2, 3, 4)]
    assert Model(model).generate("a red circle", steps=2)
