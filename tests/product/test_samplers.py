"""Every tokenizer, embedding, head and sampler with every other, those of latents included, in causal and full blocks.

What composes trains and draws; everything else is refused in sentences, and nothing else is raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from janiform import CompositionError, Conversation, Latents, Model, Plan, registry
from janiform.compose import compose
from janiform.contracts.factories import make
from janiform.model.build import build_model
from janiform.recipe import Pathway, Recipe, Share, Use
from PIL import Image
from product_cover import each_once, pairwise
from product_parts import TEXTS, all_parts, use

Choice = dict[str, Use]
KINDS = ("tokenizer", "embedding", "head", "sampler")
WORDS = ["a red circle", "a small blue square", "what is this?"] * 3


def layouts() -> dict[str, Use]:
    """Without blocks, with full blocks, and with one position for each picture besides."""
    full = {"system": "", "full_pictures": True}
    return {
        "causal": use("layout", "janus", system=""),
        "full": use("layout", "janus", **full),
        "one": use("layout", "janus", **full, one_position=True),
    }


def backbones() -> list[Use]:
    """One that serves full blocks and one that does not, with room for codes beside the text."""
    settings = {"width": 16, "inner": 24, "layers": 2, "heads": 2, "vocabulary": 400, "context": 128}
    return [
        use("backbone", "qwen3", **settings, tied=True),
        use("backbone", "bamba", **settings, attention=(0,), mamba_heads=2, state=4),
    ]


def recipe(backbone: Use, layout: Use, choice: Choice, adapter: Use) -> Recipe:
    drawn = {"adapter": adapter, **choice}
    looks = {name: Share(f"generation.{name}") for name in ("tokenizer", "embedding", "adapter")}
    return Recipe(
        name="tiny",
        description="",
        backbone=backbone,
        text=use("text", "bpe", vocabulary=TEXTS),
        layout=layout,
        pathways={
            "understanding": Pathway("understanding", "look", looks),
            "generation": Pathway("generation", "draw", drawn),
        },
    )


def choices() -> Iterator[Choice]:
    for chosen in product(*(all_parts(kind) for kind in KINDS)):
        yield dict(zip(KINDS, chosen, strict=True))


def adapter_for(choice: Choice) -> Use:
    """The identity where the embedding gives the hidden width, as most of those of latents and shared ones do."""
    own_width = choice["embedding"].component.name in ("table", "codebook", "mar")
    return use("adapter", "linear") if own_width else use("adapter", "identity")


@pytest.fixture(scope="module")
def plans() -> dict[tuple[str, ...], tuple[Plan, Choice]]:
    """The first plan of every combination of names that composes; all others must be refused in sentences."""
    found: dict[tuple[str, ...], tuple[Plan, Choice]] = {}
    refused = 0
    fitting = list(choices())
    for backbone, (blocks, layout) in product(backbones(), layouts().items()):
        composed = []
        for choice in fitting:
            names = (backbone.reference, blocks, *(choice[kind].reference for kind in KINDS))
            try:
                plan = compose(recipe(backbone, layout, choice, adapter_for(choice)))
            except CompositionError as error:
                refused += 1
                for problem in error.problems:
                    assert problem.path, (names, problem)
                    assert len(problem.message) > 20, (names, problem)
                    assert "\n" not in problem.message, (names, problem)
            else:
                composed.append(choice)
                found.setdefault(names, (plan, choice))
        fitting = composed or fitting  # what fits with the first backbone and layout is tried with the others
    assert refused
    return found


def test_every_part_fits_somewhere_and_latents_only_with_parts_of_latents(plans: Any) -> None:
    used = {kind: {choice[kind].component.name for _, choice in plans.values()} for kind in KINDS}
    for kind in KINDS:
        assert used[kind] == {part.component.name for part in all_parts(kind)}, f"a {kind} that fits nowhere"
    by_latents: dict[str, set[bool]] = {}
    for plan, choice in plans.values():
        latents = isinstance(plan.pathways["generation"].drawn, Latents)
        for kind in ("embedding", "head", "sampler"):
            by_latents.setdefault(choice[kind].reference, set()).add(latents)
    assert all(len(kinds) == 1 for kinds in by_latents.values()), by_latents


def test_only_full_blocks_are_refused_by_a_backbone_without_them(plans: Any) -> None:
    causal = {names[2:] for names in plans if names[:2] == ("qwen3@1", "causal")}
    # A scale is a full block by itself, and a recurrence does not leave positions out.
    without = {names for names in causal if not {"scales@1", "mar@1"} & set(names)}
    assert without == {names[2:] for names in plans if names[:2] == ("bamba@1", "causal")}
    assert not any(names[0] == "bamba@1" and names[1] != "causal" for names in plans)
    for blocks in ("full", "one"):
        assert causal == {names[2:] for names in plans if names[:2] == ("qwen3@1", blocks)}


@pytest.mark.parametrize("cover_of", [each_once, pytest.param(pairwise, marks=pytest.mark.slow)])
def test_what_fits_trains_a_step_and_draws(plans: Any, cover_of: Any) -> None:
    keys = list(plans)
    labels = ("backbone", "blocks", *KINDS)
    for index in cover_of([dict(zip(labels, names, strict=True)) for names in keys]):
        trains_and_draws(plans[keys[index]][0], " · ".join(keys[index]))


def trains_and_draws(plan: Plan, combination: str) -> None:
    model = build_model(plan, seed=0)
    model.processor.fit(WORDS)
    component = registry().find("objective", "autoregressive")
    objective: Any = make(component, component.config(), model)
    picture = Image.effect_noise((20, 20), 90).convert("RGB")
    examples = [
        Conversation.drawing("a red circle", picture),
        Conversation.asking("what is this?", picture, answer="a"),
    ]
    model.part("generation.tokenizer").requires_grad_(False)
    learning = {name: value for name, value in model.named_parameters() if value.requires_grad}
    batch = objective.prepare(examples, np.random.default_rng(0))
    losses, _ = objective.losses(batch)
    assert set(losses) == {"understanding", "generation"}, combination
    torch.stack([loss.mean for loss in losses.values()]).sum().backward()
    assert all(value.grad is None or value.grad.isfinite().all() for value in learning.values()), combination
    torch.optim.SGD(learning.values(), lr=0.01).step()
    after = torch.stack([loss.mean for loss in objective.losses(batch)[0].values()])
    assert after.isfinite().all(), combination
    trained = Model(model.eval().requires_grad_(False))
    if not plan.pathways["generation"].decodes:
        latents = trained.generate_codes("a red circle")
        assert latents.shape[1] == plan.pathways["generation"].latents.tokens, combination
        return
    (drawn,) = trained.generate("a red circle")
    transform = plan.parts["generation.tokenizer"].use.config.transform()
    assert drawn.size == tuple(reversed(transform(picture).shape[1:])), combination


def test_an_adapter_that_mixes_places_is_refused(plans: Any) -> None:
    for adapter in (use("adapter", "resampler", queries=4, heads=2), use("adapter", "pixel-shuffle")):
        for _, choice in plans.values():
            with pytest.raises(CompositionError, match="adapter"):
                compose(recipe(backbones()[0], layouts()["causal"], choice, adapter))
