"""Every list of kinds follows the one table: what a recipe, a plan, a diagram, a test suite and a new package know."""

from __future__ import annotations

import inspect
import re

import pytest
from janiform import contracts
from janiform.components.kinds import INPUTS, KINDS, PATHWAY_PARTS, SINGLE_PARTS, route_of, slots, slots_of
from janiform.diagram.graph import ROWS
from janiform.kit import PACKAGE_KINDS
from janiform.recipe.grammar import SECTIONS, kind_at
from janiform.testing import backbones, latent_tokenizers, places, regression, scales, tokenizers, wholes
from janiform.testing import kinds as kind_checks
from janiform.testing.case import Case
from janiform.testing.suite import TESTED_KINDS


def test_the_slots_of_every_route() -> None:
    assert slots("features") == ("tiling", "encoder", "adapter")
    assert slots("codes") == ("tiling", "tokenizer", "embedding", "adapter")
    assert slots("draw") == ("tokenizer", "embedding", "adapter", "head", "sampler")
    assert slots_of("look") == ("tiling", "encoder", "tokenizer", "embedding", "adapter")
    assert slots_of("draw") == slots("draw")
    assert SINGLE_PARTS == ("backbone", "text", "layout")
    assert SECTIONS == ("source", "sink")


@pytest.mark.parametrize(
    ("kinds", "route"),
    [
        ((), "features"),
        (("adapter",), "features"),
        (("embedding",), "codes"),
        (("tokenizer", "adapter"), "codes"),
        (("encoder", "tokenizer"), "features"),
    ],
)
def test_the_parts_of_a_looking_pathway_decide_its_route(kinds: tuple[str, ...], route: str) -> None:
    assert route_of("look", kinds) == route
    assert route_of("draw", kinds) == "draw"


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_row_is_consistent(kind) -> None:
    assert (kind.place == "pathway") == bool(kind.routes)
    assert len(kind.port_methods) == len(kind.gives) or len(kind.port_methods) == 1
    assert not kind.gives or set(kind.takes) <= INPUTS.keys()
    assert (kind.row is None) == (kind.colour == "") == (kind.place not in ("pathway", "top"))
    if kind.place == "top":
        assert kind_at((kind.name,)) == kind.name
    if kind.place == "pathway":
        assert kind_at(("generation", kind.name)) == kind.name
    if kind.place == "section":
        assert kind_at((kind.name, "any")) == kind.name


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.config_contract], ids=lambda kind: kind.name)
def test_the_contract_says_what_the_factory_takes(kind) -> None:
    text = inspect.getdoc(getattr(contracts, kind.config_contract)) or ""
    factory = re.search(r"factory\(([^)]*)\) -> (\w+)", text)
    assert factory, kind.name
    assert tuple(part.partition(":")[0] for part in factory[1].split(", ")) == ("config", *kind.takes)
    assert factory[2] == kind.module_contract


def test_lists_by_kind_follow_the_table() -> None:
    assert set(ROWS) == {"input", "output", *PATHWAY_PARTS, *SINGLE_PARTS}
    parts = ("encoder", "tokenizer", "embedding", "adapter", "backbone", "head")
    whole = {"source", "objective", "sampler", "layout", "sink", "benchmark", "format"}
    torch_free = {"text", "tiling"}
    assert set(TESTED_KINDS) == {*parts, *whole, *torch_free}
    assert set(PACKAGE_KINDS) == {*parts, *whole, *torch_free, "kernel"}
    assert set(kind_checks.KIND_CHECKS) == {kind.name for kind in KINDS.values() if kind.all_checks}


def test_every_check_of_a_kind_is_in_the_table() -> None:
    named = {check for kind in KINDS.values() for check in kind.all_checks}
    written = {
        name
        for module in (kind_checks, tokenizers, latent_tokenizers, wholes, places, regression, scales, backbones)
        for name, member in vars(module).items()
        if inspect.isfunction(member)
        and not name.startswith("_")
        and member.__module__ == module.__name__
        and [parameter.annotation for parameter in inspect.signature(member).parameters.values()] == [Case.__name__]
    }
    assert named == written
