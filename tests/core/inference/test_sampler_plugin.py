"""A sampler of a plugin has settings of its own, from Python and on the command line, with their help and checks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import janiform
import pytest
from attrs import evolve
from janiform import Model, UsageError, provenance_of, registry
from janiform.cli import main
from janiform.compose import compose
from janiform.recipe import Use
from janiform.storage.save import save_model

Capture = pytest.CaptureFixture[str]

MASKED = """
import torch
from typing import Literal

@attrs.frozen
class MaskedConfig:
    steps: int = attrs.field(
        default=4, validator=attrs.validators.gt(0), metadata={"help": "number of rounds in which codes are unmasked"}
    )
    schedule: Literal["cosine", "linear"] = setting("cosine", "how many codes each round unmasks")
    seed_offset: float = setting(0.5)
    device: str = setting("x", "a name that the command has already")

class Masked:
    def __init__(self, config):
        self.config = config

    def draw(self, model, prompts, *, pathway="generation", seeds=None, on_step=None, on_codes=None, **overrides):
        config = attrs.evolve(self.config, **overrides)
        codes = model.plan.pathways[pathway].codes
        drawn = torch.full((len(prompts), codes.tokens, codes.depth), -1)
        for step in range(config.steps):
            drawn[:, step :: config.steps] = (step + seeds[0]) % codes.vocabulary
            on_step and on_step(step + 1, config.steps)
            on_codes and on_codes(drawn)
        return drawn

@hookimpl
def janiform_register(registrar):
    registrar.component(
        "sampler", "unmasking", config=MaskedConfig, factory="fake_plugin_unmasking:Masked", summary="Unmasks codes."
    )
"""


@pytest.fixture
def folder(tiny_model: janiform.UnifiedModel, install: Callable[..., Path], tmp_path: Path) -> str:
    """The directory of a model that draws with the sampler of the plugin."""
    install("unmasking", MASKED)
    component = registry().find("sampler", "unmasking")
    recipe = tiny_model.plan.recipe
    drawing = recipe.pathways["generation"]
    parts = {**drawing.parts, "sampler": Use("sampler", component, component.config(steps=8))}
    pathways = {**recipe.pathways, "generation": evolve(drawing, parts=parts)}
    plan = compose(evolve(recipe, pathways=pathways))
    model = janiform.UnifiedModel(plan, tiny_model.built_parts(), tiny_model.processor)
    return str(save_model(model, tmp_path / "model"))


def test_its_settings_work_from_python(folder: str) -> None:
    model = janiform.load(folder)
    steps: list[tuple[int, int]] = []
    (picture,) = model.generate("red", seed=3, steps=2, on_step=lambda done, of: steps.append((done, of)))
    assert steps == [(1, 2), (2, 2)]
    settings = {"steps": 2, "schedule": "cosine", "seed_offset": 0.5, "device": "x"}
    assert provenance_of(picture).settings == settings
    assert model.drawing_settings() == settings | {"steps": 8}
    previews: list[janiform.Preview] = []
    model.generate("red", steps=4, on_preview=previews.append, preview_every=1)
    assert [preview.done for preview in previews] == [4, 8, 12]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"step": 3}, r"the sampler 'unmasking' has no setting 'step' .*'steps'"),
        ({"guidance": 3.0}, "the sampler 'unmasking' has no setting 'guidance'"),
        ({"steps": 0}, r"the sampler 'unmasking': steps must be > 0: 0"),
        ({"steps": 2.5}, r"the sampler 'unmasking': steps must be a whole number, got 2\.5"),
        ({"schedule": "cosin"}, r"schedule must be \"cosine\" or \"linear\".*did you mean 'cosine'"),
    ],
)
def test_its_settings_are_checked_before_anything_is_computed(
    folder: str, settings: dict[str, object], sentence: str
) -> None:
    model: Model = janiform.load(folder)
    with pytest.raises(UsageError, match=sentence):
        model.generate("red", **settings)


def test_its_settings_are_options_of_the_command_line(folder: str, tmp_path: Path, capsys: Capture) -> None:
    out = ["--out", str(tmp_path / "out"), "--json"]
    assert main(["generate", "--steps", "4", folder, "red", "--schedule", "linear", "--sampler-device", "y", *out]) == 0
    drawn = json.loads(capsys.readouterr().out)
    assert drawn["settings"] == {"steps": 4, "schedule": "linear", "seed_offset": 0.5, "device": "y"}
    assert main(["generate", folder, "--like", drawn["pictures"][0], *out]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["like"]["same"] is True
    assert again["settings"] == drawn["settings"]
    for arguments, sentence in (
        (["--steps", "0"], "steps must be > 0: 0"),
        (["--steps", "few"], "'few' is not a valid integer"),
        (["--schedule", "square"], "'square' is not one of 'cosine', 'linear'"),
        (["--guidance", "3"], "No such option"),
    ):
        assert main(["generate", folder, "red", *arguments, *out]) == 2
        assert sentence in capsys.readouterr().err


def test_its_settings_are_in_the_help_of_the_command(folder: str, capsys: Capture) -> None:
    assert main(["generate", folder, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "--steps INTEGER number of rounds in which codes are unmasked. [default: 8, the recipe's]" in shown
    assert "--schedule [cosine|linear]" in shown
    assert "--guidance" not in shown
    assert main(["generate", "--help"]) == 0
    assert "--guidance FLOAT" in capsys.readouterr().out
