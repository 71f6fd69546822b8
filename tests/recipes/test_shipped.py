"""The shipped recipes are read without torch, compose, and have the values of the papers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from janiform import registry
from janiform.components.kinds import KINDS
from janiform.compose import compose
from janiform.measure.examine import trained
from janiform.recipe import diff, dumps, read_recipe, read_recipe_text

FOLDER = Path(registry().recipes()["janus-pro-1b"]).parent
PIECES = {"janus/training.toml"}
"""Files that others extend, and that are no recipes by themselves."""
FILES = sorted(  # of models as well; studies are not recipes
    {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.toml") if path.parent.name != "studies"} - PIECES
)
SHIPPED = [Path(file).stem for file in FILES if "/" not in file]
BUILT: dict[str, torch.nn.Module] = {}
VOCABULARY = ("backbone.vocabulary", "text.vocabulary", "stage")
"""What else changes where codes are words: room for them, and which part the stages train instead."""
SWAPPED: dict[str, str | tuple[str, ...]] = {
    "janus-pro-1b-clip": "understanding.encoder",
    "janus-pro-1b-dinov2": "understanding.encoder",
    "janus-pro-1b-dinov2-registers": "understanding.encoder",
    "janus-pro-1b-dinov3": "understanding.encoder",
    "janus-pro-1b-siglip2": "understanding.encoder",
    "janus-pro-1b-tiling": "understanding.tiling",
    "janus-pro-1b-linear-adapter": "understanding.adapter",
    "janus-pro-1b-pixel-shuffle": "understanding.adapter",
    "janus-pro-1b-resampler": "understanding.adapter",
    "janus-pro-1b-fsq": "generation.tokenizer",
    "janus-pro-1b-lfq": "generation.tokenizer",
    "janus-pro-1b-rvq": ("generation.tokenizer", "generation.head"),
    "janus-pro-1b-shared-embedding": ("generation.embedding", *VOCABULARY),
    "janus-pro-1b-identity-adapter": ("generation.embedding.width", "generation.adapter", "stage"),
    "janus-pro-1b-depth-head": "generation.head",
    "janus-pro-1b-linear-head": "generation.head",
    "janus-pro-1b-shared-head": ("generation.head", *VOCABULARY),
    "janus-pro-1b-gemma": "backbone",
    "janus-pro-1b-gemma2": "backbone",
    "janus-pro-1b-llama": "backbone",
    "janus-pro-1b-qwen2": "backbone",
    "janus-pro-1b-qwen3": "backbone",
    "janus-pro-7b-mistral": "backbone",
    "janus-pro-7b-qwen3-moe": "backbone",
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
def test_it_composes_and_its_stages_train_what_is_there(file: str) -> None:
    plan = compose(read_recipe(FOLDER / file))
    modules = {}
    for path, part in plan.parts.items():
        if not KINDS[part.use.kind].weights or part.owner is not None:
            continue
        made_of = f"{part.use.reference} {part.use.config} {part.inputs}"
        if made_of not in BUILT:  # most parts are those of the recipe that is extended
            with torch.device("meta"):
                BUILT[made_of] = part.use.component.load()(part.use.config, *part.inputs.values())
        modules[path] = BUILT[made_of]
    trained(plan, modules)


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


SAMPLES = 6
"""Of a packed sequence of 4096 positions, about; the papers count sequences, and a stage samples."""

DRAWING = {"generation.embedding", "generation.adapter", "generation.head"}
ADAPTERS = DRAWING | {"understanding.adapter"}
ALL = DRAWING | {"backbone", "understanding"}
PRO = {  # Janus-Pro (arXiv:2501.17811), table 2
    "stage-1": (20_000, 256, 1e-3, 600, 0.0, (1, 0, 3), ADAPTERS),
    "stage-2": (270_000, 512, 1e-4, 5000, 0.0, (2, 3, 5), ADAPTERS | {"backbone"}),
    "stage-3": (80_000, 128, 4e-5, 0, 0.0, (5, 1, 4), ALL),
}
STAGES = {
    "janus-pro-1b": PRO,
    "janus-pro-7b": {**PRO, "stage-3": (40_000, *PRO["stage-3"][1:])},
    "janus-1.3b": {  # Janus (arXiv:2410.13848), table 1; the first 2/3 of its second stage's pictures are ImageNet's
        "stage-1": (10_000, 256, 1e-3, 300, 0.0, (1, 0, 1), ADAPTERS),
        "stage-2-imagenet": (120_000, 512, 1e-4, 5000, 0.0, (2, 3, 5), ADAPTERS | {"backbone"}),
        "stage-2": (60_000, 512, 1e-4, 0, 0.0, (2, 3, 5), ADAPTERS | {"backbone"}),
        "stage-3": (24_000, 256, 2e-5, 0, 0.1, (7, 3, 10), ALL),
    },
}
IMAGENET = {"stage-1", "stage-2-imagenet"}


@pytest.mark.parametrize("name", STAGES)
def test_the_stages_of_janus(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.training.stages == tuple(STAGES[name])
    for stage, (steps, sequences, rate, warmup, decay, ratio, paths) in STAGES[name].items():
        found = recipe.stages[stage]
        assert (found.last, found.batch, found.warmup) == (steps, SAMPLES * sequences, warmup)
        assert (found.learning_rate, found.weight_decay, found.schedule) == (rate, decay, "constant")
        assert (found.betas, found.clip, found.objective.config.packed) == ((0.9, 0.95), 1.0, 4096)
        assert set(found.train) == paths
        kinds: dict[str, float] = {}
        for source, share in found.ratios.items():
            config = recipe.sources[source].config
            kind = getattr(config, "task", "read" if source in ("read", "chats") else "look")
            kinds[kind] = kinds.get(kind, 0) + share
        whole = sum(ratio)
        assert [kinds.get(kind, 0) for kind in ("look", "read", "draw")] == pytest.approx(
            [part / whole for part in ratio]
        )
        assert ("imagenet" in found.sources) == (stage in IMAGENET)
        if name != "janus-1.3b" and stage != "stage-1":
            assert found.ratios["draw-real"] == found.ratios["draw-synthetic"], "real : synthetic is 1 : 1"


def test_reading_needs_no_torch() -> None:
    code = f"import sys, janiform; [janiform.read_recipe(name) for name in {SHIPPED}]; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
