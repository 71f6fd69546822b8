"""The recipes of the package read, without torch, and say what the papers say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from janiform import registry
from janiform.recipe import dumps, read_recipe, read_recipe_text

FOLDER = Path(registry().recipes()["janus-pro-1b"]).parent
SHIPPED = sorted(path.stem for path in FOLDER.glob("*.toml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_it_reads_and_reads_back(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe.description
    assert not recipe.notes
    assert read_recipe_text(dumps(recipe)) == recipe


@pytest.mark.parametrize(
    ("name", "width", "inner", "layers", "heads", "roles"),
    [  # facts of the report (table 1) and of the released configs
        ("janus-pro-1b", 2048, 5632, 24, 16, ("<|User|>", "<|Assistant|>")),
        ("janus-pro-7b", 4096, 11_008, 30, 32, ("<|User|>", "<|Assistant|>")),
        ("janus-1.3b", 2048, 5632, 24, 16, ("User", "Assistant")),
    ],
)
def test_the_sizes_of_janus(name: str, width: int, inner: int, layers: int, heads: int, roles: tuple[str, str]) -> None:
    recipe = read_recipe(name)
    backbone = recipe.backbone.config
    assert (backbone.width, backbone.inner, backbone.layers, backbone.heads) == (width, inner, layers, heads)
    assert (backbone.vocabulary, backbone.context, backbone.eps, backbone.rope_theta) == (102_400, 16_384, 1e-6, 10_000)
    assert backbone.tied is False
    assert recipe.layout.config.roles == roles
    encoder, tokenizer, sampler = (
        recipe.part(path).config  # type: ignore[union-attr]
        for path in ("understanding.encoder", "generation.tokenizer", "generation.sampler")
    )
    assert (encoder.width, encoder.layers, encoder.heads, str(encoder.features().grid)) == (1024, 24, 16, "24×24")
    codes = tokenizer.codes()
    assert (codes.vocabulary, codes.width, codes.depth, str(codes.grid)) == (16_384, 8, 1, "24×24")
    assert (sampler.guidance, sampler.temperature, sampler.top_k) == (5.0, 1.0, 0)


def test_reading_needs_no_torch() -> None:
    code = f"import sys, janiform; [janiform.read_recipe(name) for name in {SHIPPED}]; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
