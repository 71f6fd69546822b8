"""The sampler ``flow`` with a tiny model: drawing, training and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from flow_recipes import tiny_flow
from janiform import (
    Canvas,
    Codes,
    Conversation,
    Corrupted,
    Grid,
    Guidance,
    Latents,
    Logits,
    PortMismatch,
    Sequence,
    UnifiedModel,
    UsageError,
    Values,
    build_model,
    generating,
    normal,
    read_recipe_text,
    registry,
    sampler_of,
)
from janiform.compose import compose
from janiform.sequence.batch import Batch
from janiform_plugins.samplers.flow.config import FlowConfig
from torch import Tensor

TEXTS = ["a red circle above a blue square on the left", "two small green squares", "a cross"]


def flow_model(*changes: str, seed: int = 0) -> UnifiedModel:
    torch.manual_seed(seed)
    model = build_model(compose(read_recipe_text(tiny_flow(*changes))))
    model.processor.fit(TEXTS * 4)
    return model.eval()


def draw(model: UnifiedModel, texts: list[str], seeds: list[int] | None, **others: Any) -> Tensor:
    prompts = [model.processor.drawing_prompt(text) for text in texts]
    return sampler_of(model.plan).draw(model, prompts, seeds=seeds, **others)


VARIANTS = [
    (),
    ('use = "patches", -> use = "patches", time = "lead",',),
    ("one_position = true -> one_position = false", 'positions = "waves" -> positions = "learned"'),
    ("full_pictures = true -> full_pictures = false", 'norm = "rms" -> norm = "rms", of = "data"'),
    ('norm = "rms" -> of = "noise", layers = 2', 'guidance = 2.0 -> guidance = 2.0, solver = "heun"'),
    (
        'positions = "waves" -> data_at = 0, multiplier = 1',
        'guidance = 2.0 -> guidance = 3, data_at = 0, renorm = "global", guidance_above = 0.4, shift = 3',
    ),
]


@pytest.mark.parametrize("changes", VARIANTS)
def test_a_picture_does_not_depend_on_its_batch(changes: tuple[str, ...]) -> None:
    model = flow_model(*changes)
    steps: list[tuple[int, int]] = []
    seen: list[Tensor] = []
    together = draw(
        model, TEXTS, [7, 8, 2**63 - 1], on_step=lambda done, of: steps.append((done, of)), on_codes=seen.append
    )
    assert together.shape == (3, 16, 8)
    assert together.dtype == torch.float32
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert torch.equal(seen[-1], together)
    assert all(torch.isfinite(each).all() for each in seen)
    for row, seed in enumerate((7, 8, 2**63 - 1)):
        assert torch.allclose(draw(model, [TEXTS[row]], [seed])[0], together[row], atol=1e-5)
    assert not torch.allclose(draw(model, TEXTS, [1, 2, 3]), together, atol=1e-2)


def test_without_seeds_the_global_generator_decides() -> None:
    model = flow_model()
    torch.manual_seed(3)
    first = draw(model, TEXTS, None)
    torch.manual_seed(3)
    assert torch.equal(draw(model, TEXTS, None), first)
    assert not torch.equal(draw(model, TEXTS, None), first)


def whole_batch(model: UnifiedModel, prompt: Sequence, z: Tensor, time: float) -> Batch:
    """The prompt and the picture in one sequence, the picture with a loss, as training would lay it out."""
    from attrs import evolve

    spans = list(model.processor.canvas("generation").spans)
    whole = Sequence([*prompt.spans, *(evolve(span, picture=z) if span.kind == "draw" else span for span in spans)])
    return model.processor.collate([whole])


@pytest.mark.parametrize("changes", VARIANTS)
def test_the_canvas_reads_what_a_whole_forward_reads(changes: tuple[str, ...]) -> None:
    """Each guidance row of each picture, whose prompts have several lengths, against a batch of that row alone."""
    model = flow_model(*changes)
    prompts = [model.processor.drawing_prompt(text) for text in TEXTS]
    unconditional = [Sequence(prompt.spans[:1]) for prompt in prompts[:2]] + [prompts[0]]
    z = torch.randn(3, 16, 8)
    times = torch.tensor([0.1, 0.5, 0.9])
    lead = model.plan.pathways["generation"].features.lead
    with generating(model):
        canvas = Canvas(model, prompts, Guidance.plain(2.0), "generation", unconditional)
        values = canvas.values(z, Corrupted(times))
        for row, rows in enumerate((prompts, unconditional)):
            for index, prompt in enumerate(rows):
                batch = whole_batch(model, prompt, z[index], float(times[index]))
                vectors = model.embed_drawn(z[index : index + 1], "generation", 0, Corrupted(times[index : index + 1]))
                states = model.hidden(batch, features={"generation": vectors})[:, len(prompt) :]
                assert states.shape[1] == lead + 16
                head = model.part("generation.head")
                alone = head(states, z[index : index + 1], Corrupted(times[index : index + 1]))[0]
                assert torch.allclose(values[row, index], alone, atol=1e-5)


def test_guidance_one_row_and_the_interval() -> None:
    model = flow_model()
    plain = draw(model, TEXTS, [1, 2, 3], guidance=1.0)
    never = draw(model, TEXTS, [1, 2, 3], guidance=4.0, guidance_up_to=0.1, steps=4)
    assert torch.allclose(plain, never, atol=1e-5)
    assert not torch.allclose(plain, draw(model, TEXTS, [1, 2, 3], guidance=4.0), atol=1e-3)
    with pytest.raises(UsageError, match="need the row that sees the whole prompt"):
        draw(model, TEXTS, [1, 2, 3], guidance=0.0, renorm="global")
    with pytest.raises(UsageError, match="no setting 'stepz'"):
        draw(model, TEXTS, [1, 2, 3], stepz=3)
    with pytest.raises(UsageError, match="one seed per row"):
        draw(model, TEXTS, [1])


@pytest.mark.parametrize("data_at", [0.0, 1.0])
@pytest.mark.parametrize("times", ["uniform", "logit-normal"])
def test_the_process_follows_its_formulas(data_at: float, times: Any) -> None:
    latents = Latents(Grid(2, 2), 3)
    x = torch.randn(5, 4, 3)
    for of in ("velocity", "noise", "data"):
        config = FlowConfig(times=times, training_shift=4.0, data_at=data_at)
        process = config.process(latents, Values(4, 3, of))  # type: ignore[arg-type]
        chance = np.random.default_rng(3)
        drawn = [process.corrupt(4, chance) for _ in range(5)]
        corrupted = Corrupted(torch.tensor([each.time for each in drawn]), None, torch.tensor([e.seed for e in drawn]))
        noise = normal([each.seed for each in drawn], (4, 3))
        t = corrupted.times[:, None, None]  # type: ignore[index]
        read = t * x + (1 - t) * noise if data_at else (1 - t) * x + t * noise
        assert torch.allclose(process.read(x, corrupted), read, atol=1e-6)
        wanted = {"velocity": x - noise if data_at else noise - x, "noise": noise, "data": x}[of]
        assert torch.equal(process.target(x, corrupted), wanted)
        assert process.complete(4).time == data_at


def test_times_have_the_stated_distributions() -> None:
    latents, values = Latents(Grid(2, 2), 3), Values(4, 3, "velocity")
    chance = np.random.default_rng(0)
    uniform = FlowConfig(data_at=0).process(latents, values)
    levels = np.sort([uniform.corrupt(4, chance).time for _ in range(4000)])  # type: ignore[type-var]
    assert np.abs(levels - np.linspace(0, 1, 4000)).max() < 0.03
    normal_times = FlowConfig(data_at=0, times="logit-normal", training_shift=3).process(latents, values)
    levels = np.array([normal_times.corrupt(4, chance).time for _ in range(4000)])
    logits = np.log(levels / (1 - levels))  # the shift by s adds log s to the logit of a level
    assert logits.mean() == pytest.approx(np.log(3), abs=0.08)
    assert logits.std() == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize(
    ("drawn", "predicted", "sentence"),
    [
        (Codes(8, Grid(2, 2), 4), Logits(8), "draws latents, but the tokenizer has codes"),
        (Latents(Grid(2, 2), 3), Logits(8), "needs a head of values, but the head gives logits"),
        (Latents(Grid(2, 2), 3), Values(4, 3, "sample"), "the head draws each place by a process of its own"),
    ],
)
def test_ports_that_do_not_fit_are_refused(drawn: Any, predicted: Any, sentence: str) -> None:
    with pytest.raises(PortMismatch, match=sentence):
        FlowConfig().process(drawn, predicted)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": 0}, "steps 0 is not a whole number from 1 to 1000"),
        ({"steps": 10_000}, "steps 10000 is not a whole number from 1 to 1000"),
        ({"shift": 0}, "shift 0.0 is not a finite number above 0"),
        ({"data_at": 0.5}, "data_at 0.5 is not 0 or 1"),
        ({"guidance_above": 1.4}, "guidance_above 1.4 is not a noise level from 0 to 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], sentence: str) -> None:
    assert registry().find("sampler", "flow").config is FlowConfig
    with pytest.raises(ValueError, match=sentence):
        FlowConfig(**settings)


def test_a_conversation_of_a_look_is_complete() -> None:
    """Pictures that are looked at are read without noise, at the time of data."""
    model = flow_model()
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    batch = model.processor.collate([model.processor.sequence(Conversation.asking("what?", picture, answer="red"))])
    with generating(model):
        vectors = model.embed_pictures(batch.pictures["understanding"], "understanding")
        drawn = model.drawn(batch.pictures["understanding"], "understanding")
        corrupted = Corrupted(torch.ones(1))
        assert torch.allclose(vectors, model.embed_drawn(drawn, "generation", 0, corrupted), atol=1e-6)
