"""The recipes of the package read, without torch, compose, and say what the papers say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from janiform import registry
from janiform.compose import compose
from janiform.compose.slots import SLOTS
from janiform.recipe import diff, dumps, read_recipe, read_recipe_text

FOLDER = Path(registry().recipes()["janus-pro-1b"]).parent
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.toml"))  # those of models as well
SHIPPED = [Path(file).stem for file in FILES if "/" not in file]
BUILT: set[str] = set()
SWAPPED = {
    "janus-pro-1b-clip": "understanding.encoder",
    "janus-pro-1b-dinov2": "understanding.encoder",
    "janus-pro-1b-siglip2": "understanding.encoder",
    "janus-pro-1b-pixel-shuffle": "understanding.adapter",
    "janus-pro-1b-resampler": "understanding.adapter",
    "janus-pro-1b-fsq": "generation.tokenizer",
    "janus-pro-1b-lfq": "generation.tokenizer",
    "janus-pro-1b-gemma": "backbone",
    "janus-pro-1b-llama": "backbone",
    "janus-pro-1b-qwen2": "backbone",
    "janus-pro-1b-qwen3": "backbone",
    "janus-pro-7b-mistral": "backbone",
}


@pytest.mark.parametrize("name", SHIPPED)
def test_it_reads_and_reads_back(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe.description
    assert all("'use' changed" in note or "shares 'generation'" in note for note in recipe.notes), (
        "only what is replaced"
    )
    assert read_recipe_text(dumps(recipe)) == recipe


def test_each_is_offered_by_its_name() -> None:
    assert set(SHIPPED) <= set(registry().recipes())


@pytest.mark.parametrize("file", FILES)
def test_it_composes(file: str) -> None:
    plan = compose(read_recipe(FOLDER / file))
    for part in plan.parts.values():
        made_of = f"{part.use.reference} {part.use.config} {part.inputs}"
        if part.use.kind in SLOTS and made_of not in BUILT:  # most parts are those of the recipe that is extended
            BUILT.add(made_of)
            with torch.device("meta"):
                part.use.component.load()(part.use.config, *part.inputs.values())


@pytest.mark.parametrize("name", SWAPPED)
def test_a_variant_differs_in_one_part(name: str) -> None:
    base = "-".join(name.split("-")[:3])
    changed = [found.path for found in diff(read_recipe(base), read_recipe(name))]
    assert {path for path in changed if not path.startswith(SWAPPED[name])} == {"name", "description"}


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
