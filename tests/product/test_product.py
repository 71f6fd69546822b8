"""Every part with every other: what composes trains and draws, and what does not is refused for the right reason."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import cycle, islice, product
from typing import Any, TypeVar

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from janiform import CompositionError, Conversation, Model, registry
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.recipe import Use
from janiform_plugins.objectives.next_token import next_token_losses
from PIL import Image
from product_brute import drawn, seen, texts
from product_cover import each_once, pairs, pairwise
from product_parts import Drawing, Seeing, drawing, parts, recipe, seeing

Way = TypeVar("Way", Seeing, Drawing)
BACKBONES = sorted({c.name for c in registry().components("backbone") if c.distribution == "janiform"})
WORDS = ["a red circle", "a small blue square", "what is this?"] * 3


def refused(backbone: Use, looks: Seeing, draws: Drawing) -> dict[str, str]:
    """The reasons by path, as composition has them."""
    try:
        compose(recipe(backbone, looks, draws))
    except CompositionError as error:
        return {problem.path: f"{problem.message} {problem.hint}" for problem in error.problems}
    return {}


def agrees(backbone: Use, looks: Seeing, draws: Drawing) -> bool:
    """Whether exactly what cannot run is refused, with the facts; ``False`` where something was refused."""
    expected = texts(backbone) | seen(backbone, looks) | drawn(backbone, draws)
    reasons = refused(backbone, looks, draws)
    assert set(reasons) == set(expected), f"{backbone}\n{looks}\n{draws}"
    for path, facts in expected.items():
        for fact in facts:
            stated = re.search(rf"(?<![\w.]){re.escape(fact)}(?![\w.])", reasons[path])
            assert stated, f"{reasons[path]}\n{backbone}\n{looks}\n{draws}"
    return not expected


def test_each_way_of_a_picture_composes_with_each_backbone_or_is_refused_for_the_right_reason() -> None:
    """The two ways meet in the backbone alone: here each is whole, beside some of the other; below all are with all."""
    backbones = parts("backbone")
    looking = [(backbone, looks) for backbone in backbones for looks in seeing()]
    draws = drawing()
    longest = max(len(looking), len(draws))
    outcomes = [
        agrees(*looks, way)
        for looks, way in zip(islice(cycle(looking), longest), islice(cycle(draws), longest), strict=True)
    ]
    assert set(outcomes) == {True, False}


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_the_full_product_composes_or_is_refused_for_the_right_reason(name: str) -> None:
    backbones = [use for use in parts("backbone") if use.component.name == name]
    outcomes = {agrees(*chosen) for chosen in product(backbones, seeing(), drawing())}
    assert outcomes == {True, False}


def fitting() -> list[tuple[Use, Seeing, Drawing]]:
    """All combinations of names that fit, each at the first sizes at which it does."""
    return [
        (backbone, looks, draws)
        for backbone in parts("backbone")
        if not texts(backbone)
        for looks, draws in product(
            one_of_each(way for way in seeing() if not seen(backbone, way)),
            one_of_each(way for way in drawing() if not drawn(backbone, way)),
        )
    ]


def one_of_each(ways: Iterable[Way]) -> list[Way]:
    first: dict[tuple[str, ...], Way] = {}
    for way in ways:
        first.setdefault(tuple(use.reference for use in attrs.asdict(way, recurse=False).values()), way)
    return list(first.values())


def names(backbone: Use, looks: Seeing, draws: Drawing) -> dict[str, str]:
    return {
        "backbone": backbone.reference,
        "encoder": looks.encoder.reference,
        "looking adapter": looks.adapter.reference,
        "tokenizer": draws.tokenizer.reference,
        "embedding": draws.embedding.reference,
        "drawing adapter": draws.adapter.reference,
        "head": draws.head.reference,
    }


@pytest.mark.parametrize("cover_of", [each_once, pytest.param(pairwise, marks=pytest.mark.slow)])
def test_parts_that_fit_train_a_step_and_draw_together(cover_of: Any) -> None:
    """Each part in one combination at least; every two parts in one, where there is time."""
    whole = fitting()
    choices = [names(*one) for one in whole]
    cover = cover_of(choices)
    used = {(key.split()[-1], name) for index in cover for key, name in choices[index].items()}
    every = {(use.kind, use.reference) for kind in ("encoder", "tokenizer", "adapter", "head") for use in parts(kind)}
    assert every | {("backbone", use.reference) for use in parts("backbone")} <= used, "a part that fits nowhere"
    for index in cover:
        trains_and_draws(*whole[index])


def trains_and_draws(backbone: Use, looks: Seeing, draws: Drawing) -> None:
    combination = str(names(backbone, looks, draws))
    torch.manual_seed(0)
    model = build_model(compose(recipe(backbone, looks, draws)))
    model.processor.fit(WORDS)
    picture = Image.effect_noise((20, 20), 90).convert("RGB")
    examples = [
        Conversation.drawing("a red circle", picture),
        Conversation.asking("what is this?", picture, answer="a"),
    ]
    batch = model.processor.collate([model.processor.sequence(example) for example in examples])
    model.requires_grad_(True)
    model.part("generation.tokenizer").requires_grad_(False)
    learning = {name: value for name, value in model.named_parameters() if value.requires_grad}
    before = {name: value.detach().clone() for name, value in learning.items()}
    losses = next_token_losses(model, batch)
    of_parts = {name for name in losses if name.startswith("backbone.")}  # as of a mixture of experts
    assert set(losses) - of_parts == {"understanding", "generation"}, combination
    torch.stack([loss.mean for loss in losses.values()]).sum().backward()
    torch.optim.SGD(learning.values(), lr=0.1).step()
    after = torch.stack([loss.mean for loss in next_token_losses(model, batch).values()])
    assert after.isfinite().all(), combination
    for path in model.plan.parts:
        own = [name for name in learning if name.startswith(f"{path}.")]
        assert not own or any(not torch.equal(learning[name], before[name]) for name in own), f"{path} of {combination}"
    (drawn_picture,) = Model(model.eval().requires_grad_(False)).generate("a red circle")
    shown = draws.tokenizer.config.transform()(picture)
    assert drawn_picture.size == (shown.shape[2], shown.shape[1]), combination


@given(st.lists(st.fixed_dictionaries({key: st.integers(0, 3) for key in "abcd"}), min_size=1, max_size=60))
def test_a_cover_holds_every_pair(choices: list[dict[str, int]]) -> None:
    chosen = pairwise(choices)
    assert set().union(*(pairs(choices[index]) for index in chosen)) == set().union(*map(pairs, choices))
    assert len(set(chosen)) == len(chosen) <= len(choices)
