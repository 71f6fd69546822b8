"""Generated pictures: exact against the official implementation, and independent of what is drawn beside them."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from attrs import evolve
from janiform import ComponentError, Sequence, Span, UnifiedModel, UsageError, blanked, decode_codes, generate_codes
from janiform.inference.generate import sampler_of
from safetensors.torch import load_file

PROMPTS = ["a red circle", "a small blue square above the large circle, and another", "two"]


@pytest.fixture(scope="module")
def prompts(tiny_model: UnifiedModel) -> list[Sequence]:
    return [tiny_model.processor.drawing_prompt(prompt) for prompt in PROMPTS]


def test_the_official_codes_and_picture(official_model: UnifiedModel, official: Any) -> None:
    expected = load_file(official / "expected.safetensors")
    prompt = Sequence((Span("text", expected["gen.prompt_ids"][0].tolist()),))
    other = Sequence((Span("text", list(range(20, 40))),))
    codes = generate_codes(
        official_model,
        [other, prompt],
        guidance=5,
        temperature=0,
        unconditional=[blanked(other, 3), blanked(prompt, 3)],
    )
    assert codes[1, :, 0].tolist() == expected["gen.greedy_cfg5_codes"][0].tolist()
    picture = decode_codes(official_model, codes[1:])
    torch.testing.assert_close(picture, expected["gen.image"].clamp(-1, 1), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def by_separate_forwards(model: UnifiedModel, prompt: Sequence, guidance: float) -> tuple[list[int], float]:
    """Greedy codes by two forwards a code over whole sequences, without padding or cache; and the smallest margin."""
    codes: list[int] = []
    margin = math.inf
    for _ in range(16):
        logits = []
        for sequence in (prompt, model.processor.unconditional(prompt)):
            drawn = Span("draw", [0] * len(codes), "generation", torch.tensor(codes)[:, None]) if codes else None
            batch = model.processor.collate([Sequence((*sequence.spans, *([drawn] if drawn else ())))])
            logits.append(model.generation.head(model.hidden(batch)[:, -1])[0])
        mixed = logits[1] + guidance * (logits[0] - logits[1])
        best = mixed.topk(2).values
        margin = min(margin, float(best[0] - best[1]))
        codes.append(int(mixed.argmax()))
    return codes, margin


def test_ragged_rows_with_guidance_are_as_by_separate_forwards(
    tiny_model: UnifiedModel, prompts: list[Sequence]
) -> None:
    together = generate_codes(tiny_model, prompts, guidance=3.0, temperature=0)
    for row, prompt in enumerate(prompts):
        codes, margin = by_separate_forwards(tiny_model, prompt, 3.0)
        assert margin > 1e-4
        assert together[row, :, 0].tolist() == codes
        assert torch.equal(together[row : row + 1], generate_codes(tiny_model, [prompt], guidance=3.0, temperature=0))
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_sampled_pictures_follow_their_seeds(
    tiny_model: UnifiedModel, prompts: list[Sequence], guidance: float
) -> None:
    settings: dict[str, Any] = {"guidance": guidance, "temperature": 0.8, "top_k": 12}
    seeds = [5, 6, 7]
    together = generate_codes(tiny_model, prompts, seeds=seeds, **settings)
    for row, prompt in enumerate(prompts):
        assert torch.equal(
            together[row : row + 1], generate_codes(tiny_model, [prompt], seeds=seeds[row : row + 1], **settings)
        )
    assert not torch.equal(together, generate_codes(tiny_model, prompts, seeds=[1, 2, 3], **settings))


def test_without_guidance_there_are_no_unconditional_rows(tiny_model: UnifiedModel, prompts: list[Sequence]) -> None:
    rows: list[int] = []
    hook = tiny_model.backbone.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    try:
        generate_codes(tiny_model, prompts, guidance=1.0)
        assert rows == [3] * 16
        rows.clear()
        generate_codes(tiny_model, prompts, guidance=1.5)
        assert rows == [6] * 16
    finally:
        hook.remove()


def test_prompts_that_several_pictures_share_are_read_once(tiny_model: UnifiedModel, prompts: list[Sequence]) -> None:
    order = [0, 1, 0, 2, 0, 1]
    read: list[int] = []
    hook = tiny_model.backbone.register_forward_pre_hook(lambda _, args: read.append(len(args[0])))
    try:
        settings: dict[str, Any] = {"guidance": 2.0, "temperature": 1.0}
        together = generate_codes(tiny_model, [prompts[i] for i in order], seeds=range(6), **settings)
        assert read == [6, *[12] * 15]
        for row, i in enumerate(order):
            assert torch.equal(
                together[row : row + 1], generate_codes(tiny_model, [prompts[i]], seeds=[row], **settings)
            )
    finally:
        hook.remove()


def test_progress_and_shapes(tiny_model: UnifiedModel, prompts: list[Sequence]) -> None:
    steps: list[tuple[int, int]] = []
    codes = generate_codes(tiny_model, prompts, on_step=lambda done, of: steps.append((done, of)))
    assert steps == [(step, 16) for step in range(1, 17)]
    assert codes.shape == (3, 16, 1)
    assert codes.dtype == torch.int64
    pictures = decode_codes(tiny_model, codes, at_once=2)
    assert pictures.shape == (3, 3, 16, 16)
    assert pictures.abs().max() <= 1
    # In float64, since convolutions of another batch size add up in another order.
    exact = copy.deepcopy(tiny_model).double()
    torch.testing.assert_close(decode_codes(exact, codes, at_once=2), decode_codes(exact, codes), rtol=0, atol=1e-10)


class TwoLevels(torch.nn.Module):
    """A head whose second code hangs on the first."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(32, 24), torch.nn.Linear(32, 24)
        self.between = torch.nn.Embedding(24, 32)

    def sample(self, hidden: torch.Tensor, choose: Any) -> torch.Tensor:
        first = choose(self.first(hidden), 0)
        return torch.stack((first, choose(self.second(hidden + self.between(first)), 1)), dim=1)


class WithoutLevels(TwoLevels):
    """A head that was written before ``choose`` was told the level."""

    def sample(self, hidden: torch.Tensor, choose: Any) -> torch.Tensor:
        return torch.stack((choose(self.first(hidden)), choose(self.second(hidden))), dim=1)


class Sum(torch.nn.Module):
    """Codes [B, N, 2] to vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(24, 4)

    def forward(self, codes: torch.Tensor, first: int = 0) -> torch.Tensor:
        return self.table(codes).sum(-2)


@pytest.fixture
def deep_model(tiny_model: UnifiedModel) -> UnifiedModel:
    model = copy.deepcopy(tiny_model)
    shape = model.plan.pathways["generation"]
    deep = evolve(shape, drawn=evolve(shape.codes, depth=2))
    model.plan = evolve(model.plan, pathways={**model.plan.pathways, "generation": deep})
    torch.manual_seed(0)
    model.generation.head, model.generation.embedding = TwoLevels(), Sum()
    return model


def test_codes_of_two_levels(deep_model: UnifiedModel, prompts: list[Sequence]) -> None:
    together = generate_codes(deep_model, prompts, guidance=2.0, seeds=[1, 2, 3])
    assert together.shape == (3, 16, 2)
    for row, prompt in enumerate(prompts):
        alone = generate_codes(deep_model, [prompt], guidance=2.0, seeds=[row + 1])
        assert torch.equal(together[row : row + 1], alone)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_head_that_does_not_name_the_level_is_refused(
    deep_model: UnifiedModel, prompts: list[Sequence], temperature: float
) -> None:
    """One uniform for every level would make their codes depend on each other, and nothing would show it."""
    deep_model.generation.head = WithoutLevels()
    with pytest.raises(ComponentError, match=r"without the level.*choose\(logits, level\)"):
        generate_codes(deep_model, prompts, temperature=temperature)


def test_the_recipes_sampler_draws_with_its_settings(tiny_model: UnifiedModel, prompts: list[Sequence]) -> None:
    sampler = sampler_of(tiny_model.plan)
    drawn = sampler.draw(tiny_model, prompts, seeds=[1, 2, 3], guidance=2.0)
    expected = generate_codes(tiny_model, prompts, seeds=[1, 2, 3], guidance=2.0, temperature=1.0, top_k=0)
    assert torch.equal(drawn, expected)
    with pytest.raises(UsageError, match=r"no setting 'guidanc' .*'guidance'"):
        sampler.draw(tiny_model, prompts, guidanc=2.0)
    with pytest.raises(UsageError, match="no pathway 'painting' that draws"):
        sampler_of(tiny_model.plan, "painting")


def test_what_cannot_be_drawn_is_refused(tiny_model: UnifiedModel, prompts: list[Sequence]) -> None:
    with pytest.raises(UsageError, match="the prompt is empty"):
        tiny_model.processor.drawing_prompt("  ")
    long = tiny_model.processor.drawing_prompt("x " * 300)
    with pytest.raises(UsageError, match="context of 256: shorten it to 240 tokens"):
        generate_codes(tiny_model, [long])
    with pytest.raises(UsageError, match=r"'understanding' is not a pathway that draws .*generation"):
        generate_codes(tiny_model, prompts, pathway="understanding")
    with pytest.raises(UsageError, match=r"one seed per row \(3\); got 2"):
        generate_codes(tiny_model, prompts, seeds=[1, 2])
    with pytest.raises(UsageError, match="guidance"):
        generate_codes(tiny_model, prompts, guidance=math.nan)
