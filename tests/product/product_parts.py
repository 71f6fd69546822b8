"""Every part that is installed with janiform, at tiny sizes: those at which conformance tests it.

Nothing here names a component: a new one joins by its line in the table of ``tests/core/testing/test_built_ins.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
from hypothesis import Phase, given, settings
from janiform import Grid, registry
from janiform.recipe import Pathway, Recipe, Use

TABLE = Path(__file__).parents[1] / "core" / "testing" / "test_built_ins.py"
TEXTS = 320
"""Of the text vocabulary: what a byte-level one with Janus' special tokens needs."""
ROOMY = {"vocabulary": 400, "context": 79, "vocab_size": 400, "max_position_embeddings": 79}
"""Of every backbone, whatever it calls it: besides the texts some ids are left, for whoever takes them for codes; and a
picture of 4×4 codes fits into its context beside some text, one of 8×8 does not."""
KINDS = ("encoder", "tokenizer", "embedding", "adapter", "backbone", "head")

OF_LATENTS = {
    ("tokenizer", "kl"),
    ("tokenizer", "features"),
    ("embedding", "patches"),
    ("embedding", "uvit"),
    ("head", "values"),
    ("head", "diffusion"),
    ("embedding", "mar"),
    ("head", "mar"),
    ("head", "regression"),
    ("head", "uvit"),
}
"""Parts of latents, which are drawn as wholes or predicted; others are of codes, drawn place by place or by scales."""


@cache
def tested() -> dict[tuple[str, str], Any]:
    """The strategies of settings by kind and name."""
    package = ModuleType("conformance_of_built_ins")
    package.__path__ = [str(TABLE.parent)]  # what the table imports stands beside it
    sys.modules[package.__name__] = package
    spec = spec_from_file_location(f"{package.__name__}.{TABLE.stem}", TABLE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    table: dict[tuple[str, str], Any] = module.TESTED
    return table


@cache
def parts(kind: str) -> tuple[Use, ...]:
    """The components of a kind, each as often as it has sizes that other parts may tell apart."""
    names = sorted({c.name for c in registry().components(kind) if c.distribution == "janiform"})
    return tuple(use for name in names if (kind, name) not in OF_LATENTS for use in _sizes(kind, name))


@cache
def all_parts(kind: str) -> tuple[Use, ...]:
    """The components of a kind, those of latents included, each in the settings that samplers may tell apart."""
    names = sorted({c.name for c in registry().components(kind) if c.distribution == "janiform"})
    return tuple(use for name in names for use in _sizes(kind, name, _told_by_samplers))


def _sizes(kind: str, name: str, told_apart: Callable[[Use], Any] | None = None) -> list[Use]:
    component = registry().find(kind, name)
    found: dict[Any, Use] = {}

    @settings(max_examples=40, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    @given(drawn=tested()[kind, name])
    def draw(drawn: dict[str, Any]) -> None:
        known = [attribute.name for attribute in attrs.fields(component.config)]
        chosen = _roomy(dict.fromkeys(set(known) & set(ROOMY)) | drawn) if kind == "backbone" else drawn
        use = Use(kind, component, component.config(**chosen))
        found.setdefault((told_apart or _told_apart)(use), use)

    draw()
    return list(found.values())


def _told_apart(use: Use) -> Any:
    """What of a part's sizes decides whether others fit it: its number of tokens, and whether it has the width."""
    config: Any = use.config
    if use.kind == "encoder":
        return config.features().tokens, config.features().width == 16
    if use.kind == "tokenizer":
        return config.codes().tokens, config.codes().depth > 1
    if use.kind == "embedding":
        return config.borrows if getattr(config, "by_scales", False) else str(config)
    return None


def _told_by_samplers(use: Use) -> Any:
    """What of a part's settings decides which samplers draw with it."""
    config: Any = use.config
    if hasattr(config, "codes"):
        return config.codes().depth > 1, bool(config.codes().given)
    names = ("hides", "data_at", "of", *(["width"] if (use.kind, use.component.name) in OF_LATENTS else []))
    return tuple(getattr(config, name) for name in names if hasattr(config, name))


def _roomy(drawn: dict[str, Any]) -> dict[str, Any]:
    return {key: _roomy(value) if isinstance(value, dict) else ROOMY.get(key, value) for key, value in drawn.items()}


@attrs.frozen(eq=False)
class Seeing:
    """The way of a picture that is looked at."""

    encoder: Use
    adapter: Use


@attrs.frozen(eq=False)
class Drawing:
    """The way of a picture that is drawn."""

    tokenizer: Use
    embedding: Use
    adapter: Use
    head: Use


@cache
def seeing() -> tuple[Seeing, ...]:
    return tuple(Seeing(*chosen) for chosen in product(parts("encoder"), parts("adapter")))


@cache
def drawing() -> tuple[Drawing, ...]:
    kinds = ("tokenizer", "embedding", "adapter", "head")
    return tuple(Drawing(*chosen) for chosen in product(*(parts(kind) for kind in kinds)))


@cache
def use(kind: str, name: str, **config: Any) -> Use:
    component = registry().find(kind, name)
    return Use(kind, component, component.config(**config))


def recipe(backbone: Use, looks: Seeing, draws: Drawing) -> Recipe:
    looking = {"encoder": looks.encoder, "adapter": looks.adapter}
    drawn = {kind: getattr(draws, kind) for kind in ("tokenizer", "embedding", "adapter", "head")}
    drawn["sampler"] = use("sampler", "scales" if draws.tokenizer.config.codes().scales else "autoregressive")
    return Recipe(
        name="tiny",
        description="",
        backbone=backbone,
        text=use("text", "bpe", vocabulary=TEXTS),
        layout=use("layout", "janus", system=""),
        pathways={
            "understanding": Pathway("understanding", "look", looking),
            "generation": Pathway("generation", "draw", drawn),
        },
    )


def square(tokens: int) -> Grid | None:
    side = round(tokens**0.5)
    return Grid(side, side) if side * side == tokens else None
