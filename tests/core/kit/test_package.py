"""What ``janiform new-plugin`` writes works at once: it is found, keeps its promises, fits, learns and draws."""

from __future__ import annotations

import ast
import importlib
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from janiform import AttentionRequest, Conversation, Model, UsageError, read_recipe, registry
from janiform.attention.attend import attention_for
from janiform.cli import main
from janiform.components.kinds import KINDS
from janiform.compose import compose
from janiform.kit import PACKAGE_KINDS, write_package
from janiform.kit.package import SMALL, mini_path
from janiform.model.build import build_model
from janiform.testing import conforms
from janiform_plugins.objectives.next_token import next_token_losses
from PIL import Image

WITHOUT_PARTS = ("source", "objective", "sink", "benchmark", "format")
"""Kinds that are not a part of a model, nor compute in one."""


def installed(folder: Path) -> None:
    """What pip would write for the package, beside its sources."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / "src" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["janiform"]
    (info / "entry_points.txt").write_text(
        "[janiform]\n" + "".join(f"{name} = {module}\n" for name, module in points.items())
    )


@pytest.fixture(scope="module", params=PACKAGE_KINDS)
def package(request: Any, tmp_path_factory: Any) -> Iterator[SimpleNamespace]:
    kind = request.param
    name = f"my-{kind}"
    folder = tmp_path_factory.mktemp("packages") / name
    files = write_package(name, kind, folder)
    installed(folder)
    sys.path.insert(0, str(folder / "src"))
    importlib.invalidate_caches()
    registry.cache_clear()
    yield SimpleNamespace(kind=kind, name=name, folder=folder, files=files)
    sys.path.remove(str(folder / "src"))
    registry.cache_clear()
    for module in [module for module in sys.modules if module.startswith(f"janiform_my_{kind}")]:
        del sys.modules[module]


def test_it_is_found_under_its_name(package: SimpleNamespace) -> None:
    component = registry().find(package.kind, package.name)
    assert component.distribution == f"janiform-{package.name}"
    assert not registry().conflicts()


def test_it_keeps_the_promises_of_its_kind(package: SimpleNamespace) -> None:
    small = ast.literal_eval(SMALL.get(package.kind, "{}"))
    tests = conforms(package.kind, package.name, small, examples=2)()
    checks = [name for name in dir(tests) if name.startswith("test_") and name != "test_registers_without_torch"]
    assert len(checks) >= (9 if KINDS[package.kind].weights else 4)
    for check in checks:
        getattr(tests, check)()
    written = (package.folder / "tests" / f"test_my_{package.kind}.py").read_text()
    assert f'conforms("{package.kind}", "{package.name}"' in written


def test_the_recipe_fits_learns_and_draws(package: SimpleNamespace) -> None:
    if package.kind in WITHOUT_PARTS:
        pytest.skip("it is not a part of the model")
    plan = compose(read_recipe(str(package.folder / f"mini-{package.name}.toml")))
    path = mini_path(package.kind)
    torch.manual_seed(0)
    model = build_model(plan)
    if package.kind == "kernel":
        assert plan.recipe.training.attention == f"{package.name}@1"
        model.attention = attention_for(package.name, AttentionRequest(device="cpu", dtype="float32", learning=True))
        path = "backbone"
    else:
        assert plan.parts[path].use.component.name == package.name
    model.processor.fit(["a red circle", "what is it?"])
    picture = Image.new("RGB", (64, 64), (200, 30, 30))
    examples = [
        Conversation.drawing("a red circle", picture),
        Conversation.asking("what is it?", picture, answer="red"),
    ]
    if package.kind == "tokenizer":
        losses, _ = model.part(path).losses(torch.rand(2, 3, 64, 64) * 2 - 1)
    else:
        losses = next_token_losses(
            model, model.processor.collate([model.processor.sequence(example) for example in examples])
        )
    torch.stack([loss.mean for loss in losses.values()]).sum().backward()
    if KINDS[package.kind].weights or package.kind == "kernel":
        assert all(parameter.grad is not None for parameter in model.part(path).parameters())
    drawn = Model(model.eval().requires_grad_(False)).generate("a red circle", guidance=2.0)[0]
    assert drawn.size == (64, 64)


def test_check_accepts_its_recipe_with_every_stage(package: SimpleNamespace) -> None:
    recipe = package.folder / f"mini-{package.name}.toml"
    assert recipe.is_file() == (package.kind not in ("benchmark", "format"))
    if recipe.is_file():
        assert main(["check", str(recipe)]) == 0
        component = f"{package.name}@1"
        read = read_recipe(str(recipe))
        sections = {"source": read.sources, "sink": read.sinks}.get(package.kind, {})
        assert package.kind not in ("source", "sink") or sections[package.name].component.reference == component
        if package.kind == "objective":
            assert read.training.stages == (package.name,)
            assert read.stages[package.name].objective.component.reference == component


def test_a_package_is_refused_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"cannot begin with the kind 'encoders' .*encoder"):
        write_package("mine", "encoders", tmp_path / "a")
    with pytest.raises(UsageError, match=r"'My Codec' is not a valid name .*my-codec"):
        write_package("My Codec", "tokenizer", tmp_path / "a")
    with pytest.raises(UsageError, match="encoder 'siglip' already exists"):
        write_package("siglip", "encoder", tmp_path / "a")
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
        write_package("mine", "encoder", tmp_path)
    assert main(["new-plugin", "mine", "--kind", "encoder", "--out", str(tmp_path / "b"), "--json"]) == 0
    assert '"kind": "encoder"' in capsys.readouterr().out
    assert not (tmp_path / "a").exists()
