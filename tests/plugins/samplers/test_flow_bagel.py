"""Drawing and changing pictures as BAGEL does, against whole sequences without a cache and the release's formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from bagel_recipes import tiny_bagel
from diffusers import FlowMatchEulerDiscreteScheduler
from janiform import (
    Canvas,
    Conversation,
    Corrupted,
    Guidance,
    Sequence,
    Span,
    UnifiedModel,
    build_model,
    generating,
    normal,
    read_recipe_text,
    sampler_of,
)
from janiform.compose import compose
from janiform_plugins.samplers.flow.config import FlowConfig
from torch import Tensor

TEXTS = ["make the circle red", "a small green square above a cross"]


@pytest.fixture(scope="module")
def model() -> UnifiedModel:
    """Random weights, whose second set is another than the first."""
    torch.manual_seed(0)
    model = build_model(compose(read_recipe_text(tiny_bagel())))
    model.processor.fit(TEXTS * 4)
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


def source(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def prompt_of(model: UnifiedModel, text: str, sources: list[np.ndarray]) -> Sequence:
    return model.processor.drawing_prompt(
        Conversation(Conversation.drawing(text, sources=sources, looks="source_latents").turns[:1])
    )


def velocity(model: UnifiedModel, context: tuple[Span, ...], z: Tensor, time: float) -> Tensor:
    """That of latents [1, N, C] behind a context, in one forward of the whole sequence without a cache."""
    blocks = max((span.block for span in context), default=0)
    behind = [
        evolve(span, block=span.block + blocks, picture=z[0] if span.kind == "draw" else None)
        for span in model.processor.canvas("generation").spans
    ]
    batch = model.processor.collate([Sequence([*context, *behind])])
    corrupted = Corrupted(torch.tensor([time]))
    drawn = batch.pictures["generation"]
    features = {name: model.embed_pictures(some, name) for name, some in batch.pictures.items() if some is not drawn}
    features["generation"] = model.embed_drawn(z, "generation", 0, corrupted)
    states = model.hidden(batch, features=features).flatten(0, 1)
    return model.part("generation.head")(states[drawn.positions], z, corrupted)


def shorter(mixed: Tensor, v: Tensor, dims: Any) -> Tensor:
    return mixed * (v.norm(dim=dims, keepdim=True) / (mixed.norm(dim=dims, keepdim=True) + 1e-8)).clamp(0, 1)


def by_the_release(model: UnifiedModel, text: str, sources: list[np.ndarray], seed: int, renorm: str) -> Tensor:
    """``generate_image`` and ``_forward_flow`` of the release, with the contexts that ``inferencer.py`` makes."""
    context = prompt_of(model, text, sources).spans
    textless, pictureless = context[:-1], prompt_of(model, text, []).spans
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(sigmas=np.linspace(1, 0, 6)[:-1])
    x = normal([seed], (16, 8))
    for index, time in enumerate(scheduler.sigmas[:-1].tolist()):
        v = velocity(model, context, x, time)
        if 0.4 < time <= 1.0:
            less = velocity(model, textless, x, time)
            mixed = less + 4.0 * (v - less)
            if renorm == "text_channel":
                mixed = shorter(mixed, v, -1)
            if sources:
                other = velocity(model, pictureless, x, time)
                mixed = other + 2.0 * (mixed - other)
            if renorm in ("global", "channel"):
                mixed = shorter(mixed, v, (1, 2) if renorm == "global" else -1)
            v = mixed
        x = x + (scheduler.sigmas[index + 1] - scheduler.sigmas[index]) * v
    return x[0]


@pytest.mark.parametrize("renorm", ["none", "global", "channel", "text_channel"])
def test_a_batch_of_requests_is_drawn_as_in_the_release(model: UnifiedModel, renorm: str) -> None:
    sources = [[source(1)], [source(2), source(3)]]
    prompts = [prompt_of(model, text, some) for text, some in zip(TEXTS, sources, strict=True)]
    drawn = sampler_of(model.plan).draw(model, prompts, seeds=[5, 6], renorm=renorm)
    with generating(model):
        for row in range(2):
            expected = by_the_release(model, TEXTS[row], sources[row], 5 + row, renorm)
            torch.testing.assert_close(drawn[row], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("renorm", ["global", "text_channel"])
def test_a_picture_for_a_text_has_an_empty_context_without_it(model: UnifiedModel, renorm: str) -> None:
    prompt = model.processor.drawing_prompt(TEXTS[1])
    assert prompt == prompt_of(model, TEXTS[1], [])
    drawn = sampler_of(model.plan).draw(model, [prompt], seeds=[5], renorm=renorm)
    with generating(model):
        torch.testing.assert_close(drawn[0], by_the_release(model, TEXTS[1], [], 5, renorm), atol=1e-4, rtol=1e-4)
        assert velocity(model, (), normal([5], (16, 8)), 1.0).isfinite().all()


def test_rows_without_use_are_not_computed(model: UnifiedModel, monkeypatch: Any) -> None:
    """Of five steps at levels 1, 0.92, 0.82, 0.67 and 0.43 all have guidance above 0.4, and three above 0.7."""
    rows: list[int] = []
    run = UnifiedModel.run

    def counted(self: UnifiedModel, embeddings: Tensor, *others: Any) -> Tensor:
        rows.append(len(embeddings))
        return run(self, embeddings, *others)

    monkeypatch.setattr(UnifiedModel, "run", counted)
    prompts = [prompt_of(model, TEXTS[0], [source(1)])] * 2
    sampler_of(model.plan).draw(model, prompts, seeds=[1, 2], guidance_above=0.7)
    assert rows[-5:] == [6, 6, 6, 2, 2]


def test_a_row_alone_is_that_of_all(model: UnifiedModel) -> None:
    """In any order, as often as wanted, with prompts of several lengths."""
    prompts = [prompt_of(model, TEXTS[0], [source(1)]), prompt_of(model, TEXTS[1], [])]
    z, corrupted = torch.randn(2, 16, 8), Corrupted(torch.tensor([0.3, 0.6]))
    with generating(model):
        canvas = Canvas(model, prompts, Guidance.stacked(3.0, 2.0, ["source_latents", "understanding"]))
        whole = canvas.values(z, corrupted)
        for row in (1, 0, 2, 0):
            torch.testing.assert_close(canvas.values(z, corrupted, row), whole[row : row + 1], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(canvas.values(z, corrupted), whole)


def test_the_weights_are_those_of_the_formula() -> None:
    w, v = 4.0, 2.0
    c, textless, pictureless = torch.randn(3, 7).double()
    expected = pictureless + v * (textless + w * (c - textless) - pictureless)
    guidance = Guidance.stacked(w, v, ["source_latents"])
    assert [row.hidden for row in guidance.rows] == [set(), {"text"}, {"source_latents"}]
    mixed = sum(row.weight * some for row, some in zip(guidance.rows, (c, textless, pictureless), strict=True))
    torch.testing.assert_close(mixed, expected)
    assert [row.weight for row in Guidance.stacked(w, v, ()).rows] == [4, -3]


def test_a_renorm_of_the_text_alone_needs_its_rule() -> None:
    with pytest.raises(ValueError, match="needs the rule 'stacked' or 'plain', not 'nested'"):
        FlowConfig(renorm="text_channel", rule="nested")
