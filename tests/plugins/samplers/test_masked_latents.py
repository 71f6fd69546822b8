"""The sampler ``masked-latents`` with a tiny model: its order and counts, drawing, training and refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from flow_recipes import tiny_flow
from janiform import (
    Canvas,
    Codes,
    CompositionError,
    Conversation,
    Corrupted,
    Grid,
    Guidance,
    Latents,
    Logits,
    PlaceSampling,
    PortMismatch,
    UnifiedModel,
    UsageError,
    Values,
    build_model,
    generating,
    pack,
    read_recipe_text,
    sampler_of,
)
from janiform.compose import compose
from janiform.measure.costs import measure
from janiform.model.picture_loss import picture_loss, picture_predictions
from janiform_plugins.samplers.masked_latents.config import MaskedLatentsConfig
from janiform_plugins.samplers.masked_latents.process import MaskedLatentsProcess
from janiform_plugins.samplers.masked_latents.sampler import left_after
from torch import Tensor

TEXTS = ["a red circle above a blue square on the left", "two small green squares", "a cross"]
MAR = (
    'frequencies = 16, positions = "waves" -> time = "none", positions = "waves", mask = true',
    'use = "values", norm = "rms" -> use = "diffusion", width = 24, depth = 2, frequencies = 8, steps = 6, clip = 3',
    'use = "flow", steps = 4 -> use = "masked-latents", steps = 5',
)
"""The tiny model of flows, changed to this sampler: 16 places of 8 values."""


def model_of(*changes: str, seed: int = 0) -> UnifiedModel:
    torch.manual_seed(seed)
    model = build_model(compose(read_recipe_text(tiny_flow(*MAR, *changes))))
    chance = torch.Generator().manual_seed(seed)
    for parameter in model.part("generation.head").parameters():  # a new net predicts nothing
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=chance)
    model.processor.fit(TEXTS * 4)
    return model.eval().requires_grad_(False)


def draw(model: UnifiedModel, texts: list[str], seeds: list[int] | None, **others: Any) -> Tensor:
    prompts = [model.processor.drawing_prompt(text) for text in texts]
    return sampler_of(model.plan).draw(model, prompts, seeds=seeds, **others)


@pytest.mark.parametrize(("places", "steps"), [(256, 64), (256, 256), (1024, 64), (16, 1), (5, 5), (7, 3)])
def test_as_many_places_are_left_as_in_mar(places: int, steps: int) -> None:
    """The loop of MAR's ``sample_tokens`` written out, which counts steps from 0."""
    left, hidden = [], places
    for step in range(steps):
        wanted = math.floor(places * math.cos(math.pi / 2.0 * (step + 1) / steps))
        following = max(1, min(hidden - 1, wanted))
        hidden = following if step < steps - 1 else 0
        left.append(hidden)
    assert left_after(places, steps) == left
    assert all(a > b for a, b in zip([places, *left], left, strict=False))


def test_pictures_hide_as_many_places_as_in_mar() -> None:
    process = MaskedLatentsProcess(0.7)
    chance = np.random.default_rng(0)
    hidden = [process.corrupt(256, chance).hidden for _ in range(3000)]
    counts = np.array([each.sum() for each in hidden])  # type: ignore[union-attr]
    # A normal number around 1 with deviation 0.25, if it is between 0.7 and 1, as scipy's truncnorm draws it.
    normal = chance.normal(1, 0.25, 100_000)
    expected = np.ceil(256 * normal[(normal >= 0.7) & (normal <= 1)])
    for share in (0.1, 0.5, 0.9):
        assert abs(np.quantile(counts, share) - np.quantile(expected, share)) <= 2
    assert counts.min() >= 0.7 * 256
    assert counts.max() == 256
    assert process.count(10, 0.0) == 7
    assert process.count(10, 1 - 2**-53) == 10
    places = np.stack(hidden).mean(0)  # type: ignore[arg-type]
    assert places.min() > places.mean() - 0.04
    assert MaskedLatentsProcess(0.0).count(3, 0.0) >= 1


@pytest.mark.parametrize(
    "settings",
    [{}, {"guidance": 1.0}, {"guidance_schedule": "linear", "guidance": 3.0}, {"steps": 16, "temperature": 0.9}],
)
def test_a_picture_does_not_depend_on_its_batch(settings: dict[str, Any]) -> None:
    model = model_of()
    seen: list[Tensor] = []
    steps: list[tuple[int, int]] = []
    together = draw(
        model, TEXTS, [7, 8, 2**63 - 1], on_codes=seen.append, on_step=lambda *done: steps.append(done), **settings
    )
    count = settings.get("steps", 5)
    assert together.shape == (3, 16, 8)
    assert steps == [(step + 1, count) for step in range(count)]
    assert torch.equal(seen[-1], together)
    assert torch.isfinite(together).all()
    for row, seed in enumerate((7, 8, 2**63 - 1)):
        assert torch.allclose(draw(model, [TEXTS[row]], [seed], **settings)[0], together[row], atol=1e-4)
    assert not torch.allclose(draw(model, TEXTS, [1, 2, 3], **settings), together, atol=1e-2)


def test_places_that_are_drawn_stay_and_others_are_zero_until_then() -> None:
    model = model_of()
    seen: list[Tensor] = []
    draw(model, TEXTS, [1, 2, 3], on_codes=seen.append)
    left = left_after(16, 5)
    for step, latents in enumerate(seen):
        known = (latents != 0).any(-1)
        assert known.sum(1).tolist() == [16 - left[step]] * 3
        assert torch.equal(seen[-1][known], latents[known])
    orders = [(seen[0][row] != 0).any(-1).tolist() for row in range(3)]
    assert orders[0] != orders[1] or orders[1] != orders[2]


def test_drawing_is_that_of_a_loop_without_a_cache() -> None:
    """Every step and guidance row as a whole forward over the prompt and the picture, as MAR's own loop does."""
    model, scale, count = model_of(), 2.5, 5
    seeds = [11, 12]
    given = draw(model, TEXTS[:2], seeds, guidance=scale, guidance_schedule="linear", temperature=0.8)
    head: Any = model.part("generation.head")
    for row, seed in enumerate(seeds):
        chance = torch.Generator().manual_seed(seed)
        order = torch.randperm(16, generator=chance)
        x, hidden, before = torch.zeros(1, 16, 8), torch.ones(1, 16, dtype=torch.bool), 16
        prompt = model.processor.drawing_prompt(TEXTS[row])
        rows = [prompt, model.processor.unconditional(prompt)]
        for after in left_after(16, count):
            chosen = order[after:before]
            corrupted = Corrupted(hidden=hidden)
            vectors = model.embed_drawn(x, "generation", 0, corrupted)
            conditions = []
            for some in rows:
                canvas = [
                    evolve(span, picture=x[0]) if span.kind == "draw" else span
                    for span in model.processor.canvas("generation").spans
                ]
                batch = model.processor.collate([evolve(some, spans=[*some.spans, *canvas])])
                states = model.hidden(batch, features={"generation": vectors})
                own = states[:, batch.pictures["generation"].positions[0]]
                conditions.append(head(own, x, corrupted)[0, chosen])
            strength = (scale - 1) * (16 - after) / 16
            sampling = PlaceSampling(Guidance.plain(1 + strength), [chance], len(chosen), temperature=0.8)
            x[0, chosen] = head.sample(torch.cat(conditions), sampling)
            hidden[0, chosen] = False
            before = after
        assert torch.allclose(given[row], x[0], atol=1e-4)


def batches(model: UnifiedModel, count: int) -> list[Any]:
    chance = np.random.default_rng(0)
    examples = [
        Conversation.drawing(TEXTS[i % 3], chance.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for i in range(count)
    ]
    return [model.processor.corrupted(model.processor.sequence(example), chance) for example in examples]


def loss_of(model: UnifiedModel, batch: Any) -> Any:
    pictures, indices = batch.pictures["generation"], batch.codes["generation"]
    drawn = model.drawn(pictures, "generation")
    states = model.hidden(batch, drawn={"generation": drawn}).flatten(0, 1)
    made = picture_loss(model, "generation", pictures, drawn, states, indices)
    assert int(made.count) == picture_predictions(model.plan.pathways["generation"], pictures, indices)
    return made


@pytest.mark.parametrize("changes", [(), ("full_pictures = true -> full_pictures = false",)])
def test_losses_and_gradients_do_not_depend_on_the_batch(changes: tuple[str, ...]) -> None:
    model = model_of(*changes).train().requires_grad_(True)
    rows = batches(model, 4)
    whole, gradients = None, []
    packed = pack(rows, 120, pad=model.processor.layout.pad_id)
    parts = [
        [model.processor.collate(rows)],
        [packed],
        [model.processor.collate([row]) for row in rows],
        [model.processor.collate(rows[2:]), model.processor.collate(rows[:2])],
    ]
    for split in parts:
        model.zero_grad()
        losses = [loss_of(model, batch) for batch in split]
        count = sum(float(loss.count) for loss in losses)
        total = sum(loss.total for loss in losses) / count
        total.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        whole = total.detach() if whole is None else whole
        assert float((total.detach() - whole).abs()) < 1e-5 * max(1.0, float(whole))
        assert torch.allclose(gradients[-1], gradients[0], rtol=1e-4, atol=1e-5)
    assert len(packed.ids) < 4
    hidden = sum(int(row.spans[-2].corruption.hidden.sum()) for row in rows)
    assert count == hidden


def test_known_places_have_no_loss_and_hidden_ones_are_not_read() -> None:
    model = model_of()
    batch = model.processor.collate(batches(model, 2))
    pictures = batch.pictures["generation"]
    drawn, hidden = model.drawn(pictures, "generation"), pictures.corrupted.hidden  # type: ignore[union-attr]
    vectors = model.embed_drawn(drawn, "generation", 0, pictures.corrupted)
    other = torch.where(hidden[..., None], drawn + 1, drawn)
    assert torch.equal(vectors, model.embed_drawn(other, "generation", 0, pictures.corrupted))
    states = model.hidden(batch, drawn={"generation": drawn}).flatten(0, 1)
    indices = torch.arange(2)
    before = picture_loss(model, "generation", pictures, drawn, states, indices)
    known = torch.where(hidden[..., None], drawn, drawn + 1)
    assert torch.equal(before.total, picture_loss(model, "generation", pictures, known, states, indices).total)
    assert not torch.equal(before.total, picture_loss(model, "generation", pictures, other, states, indices).total)


def test_the_canvas_gives_what_the_head_is_conditioned_on() -> None:
    model = model_of()
    prompts = [model.processor.drawing_prompt(text) for text in TEXTS]
    hidden = torch.rand(3, 16) < 0.5
    with generating(model):
        canvas = Canvas(model, prompts, Guidance.plain(2.0))
        assert canvas.values(torch.randn(3, 16, 8), Corrupted(hidden=hidden)).shape == (2, 3, 16, 32)


def test_each_place_is_drawn_once_in_the_flops_of_all_steps() -> None:
    """Six more steps of the diffusion cost six more forward passes of its net for each of the 16 places."""
    width, depth, frequencies, hidden, values = 24, 2, 8, 32, 8
    net = frequencies * width + width**2 + hidden * width + values * width  # time, condition, input
    net += depth * (2 + 3) * width**2 + 2 * width**2 + width * 2 * values
    few, many = (
        measure(compose(read_recipe_text(tiny_flow(*MAR, f"steps = 6, clip -> steps = {steps}, clip"))))
        for steps in (6, 12)
    )
    more = many.pathways["generation"].step - few.pathways["generation"].step  # type: ignore[operator]
    assert more == pytest.approx(6 * 16 * 2 * net / 5, abs=1)


LATENTS, CODES = Latents(Grid(2, 2), 3), Codes(8, Grid(2, 2), 4)


@pytest.mark.parametrize(
    ("drawn", "predicted", "steps", "sentence"),
    [
        (
            CODES,
            Logits(8),
            2,
            "draws latents, but the tokenizer has codes .*: use a sampler of codes, such as 'masked'",
        ),
        (LATENTS, Logits(8), 2, "needs a head that draws each place by itself, such as 'diffusion'"),
        (LATENTS, Values(4, 3, "velocity"), 2, r"such as 'diffusion', but the head gives velocity \[B, 4, 3\]"),
        (LATENTS, Values(4, 3, "sample"), 5, "has 5 steps for the 4 places of a picture, .* set 'steps' to at most 4"),
    ],
)
def test_ports_that_do_not_fit_are_refused(drawn: Any, predicted: Any, steps: int, sentence: str) -> None:
    with pytest.raises(PortMismatch, match=sentence):
        MaskedLatentsConfig(steps=steps).process(drawn, predicted)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            '"masked-latents", steps = 5 -> "autoregressive"',
            "draws codes, one place after the other, but the tokenizer",
        ),
        ('"masked-latents", steps = 5 -> "flow", steps = 5', "the head draws each place by a process of its own"),
        ("mask = true -> mask = false", "hides places of a picture, but patches@1 has no vector for them"),
        ("steps = 5 -> steps = 17", "17 steps for the 16 places"),
        ("steps = 5 -> steps = 0", "steps"),
    ],
)
def test_recipes_that_do_not_fit_are_refused(change: str, sentence: str) -> None:
    with pytest.raises(Exception, match=sentence) as refusal:
        compose(read_recipe_text(tiny_flow(*MAR, change)))
    assert isinstance(refusal.value, CompositionError) or "steps" in change


def test_settings_of_a_call_that_do_not_fit_are_refused() -> None:
    model = model_of()
    with pytest.raises(UsageError, match="17 steps for the 16 places"):
        draw(model, TEXTS, None, steps=17)
    with pytest.raises(UsageError, match="steps"):
        draw(model, TEXTS, None, steps=0)
    with pytest.raises(UsageError, match="needs the row that sees the whole prompt"):
        draw(model, TEXTS, None, guidance_schedule="linear", guidance=0.0)
    with pytest.raises(UsageError, match="hold values that are not finite"):
        model.processor.pixels(torch.full((16, 8), torch.nan), "generation")
