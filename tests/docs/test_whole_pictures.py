"""The code of the guide about whole pictures runs, and draws what the built-in parts draw."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import janiform
import numpy as np
import pytest
import torch
from flow_recipes import tiny_flow
from janiform import build_model, read_recipe_text, sampler_of
from janiform.compose import compose
from janiform.testing import common, kinds
from janiform.testing.case import Case
from janiform_plugins.samplers.flow.process import FlowProcess
from torch import nn

GUIDE = Path(__file__).parents[2] / "docs" / "write-a-plugin.md"


@pytest.fixture(scope="module")
def code() -> dict[str, Any]:
    """What the code blocks of the two sections define."""
    sections = GUIDE.read_text(encoding="utf-8").partition("## A head that predicts values")[2]
    blocks = re.findall(r"```python\n(.*?)```", sections.partition("## What a backbone gets")[0], re.DOTALL)
    names: dict[str, Any] = {name: getattr(janiform, name) for name in janiform.__all__}
    names |= {"attrs": attrs, "frozen": attrs.frozen, "field": attrs.field, "validators": attrs.validators, "np": np}
    names |= {"nn": nn, "torch": torch, "Tensor": torch.Tensor, "annotations": None}
    for block in blocks:
        exec("from __future__ import annotations\n" + textwrap.dedent(block), names)
    return names


def test_the_head_of_the_guide_conforms(code: dict[str, Any]) -> None:
    component = SimpleNamespace(
        kind="head", name="my-flow", config=code["FlowHeadConfig"], load=lambda: code["FlowHead"]
    )
    ports = {"hidden": janiform.Hidden(8, 64, 128, 2, 2, 8), "drawn": janiform.Latents(janiform.Grid(2, 3), 4)}
    case = Case(component, code["FlowHeadConfig"](), ports, 3)  # type: ignore[arg-type]
    for check in (*common.COMMON_CHECKS, *kinds.checks_of("head", case.config)):
        if check is not common.keeps_its_state:  # which starts another process
            check(case)


def test_the_head_of_single_places_conforms(code: dict[str, Any]) -> None:
    component = SimpleNamespace(
        kind="head", name="next-place", config=code["NextPlaceConfig"], load=lambda: code["NextPlace"]
    )
    ports = {"hidden": janiform.Hidden(8, 64, 128, 2, 2, 8), "drawn": janiform.Latents(janiform.Grid(2, 3), 4)}
    case = Case(component, code["NextPlaceConfig"](), ports, 3)  # type: ignore[arg-type]
    for check in (*common.COMMON_CHECKS, *kinds.checks_of("head", case.config)):
        if check is not common.keeps_its_state:  # which starts another process
            check(case)


def test_the_process_of_the_guide_is_that_of_flow(code: dict[str, Any]) -> None:
    guide, own = code["Straight"](), FlowProcess("velocity")
    corruption = guide.corrupt(6, np.random.default_rng(0))
    corrupted = janiform.Corrupted(torch.tensor([corruption.time]), None, torch.tensor([corruption.seed]))
    x = torch.randn(1, 6, 4)
    assert torch.allclose(guide.read(x, corrupted), own.read(x, corrupted), atol=1e-6)
    assert torch.allclose(guide.target(x, corrupted), own.target(x, corrupted), atol=1e-6)
    assert guide.complete(6).time == own.complete(6).time


def test_the_sampler_of_the_guide_draws_what_flow_draws(code: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = build_model(compose(read_recipe_text(tiny_flow()))).eval()
    model.processor.fit(["a red circle"] * 4)
    prompts = [model.processor.drawing_prompt(text) for text in ("a red circle", "two")]
    steps: list[Any] = []
    mine = SimpleNamespace(config=SimpleNamespace(steps=4, guidance=2.0))
    drawn = code["draw"](mine, model, prompts, seeds=[1, 2], on_step=lambda *done: steps.append(done))
    assert torch.allclose(drawn, sampler_of(model.plan).draw(model, prompts, seeds=[1, 2]), atol=1e-5)
    assert steps[-1] == (4, 4)
