"""Drawing scale by scale: against a twin that recomputes everything, and training in any layout of the batch."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from janiform import (
    Conversation,
    Model,
    Preview,
    Sequence,
    UnifiedModel,
    UsageError,
    generate_codes,
    registry,
    sampler_of,
    uniforms,
)
from scales_models import SCALES, TEXTS, TOKENFLOW, scales_model
from step_gradients import summed
from torch import Tensor

EDGES = [0, *np.cumsum([side * side for side in SCALES]).tolist()]
COUNT = EDGES[-1]


def var(resize: str) -> dict[str, Any]:
    return {"embedding": {"resize": resize, "positions": "waves"}, "backbone": {"layers": 2}}


@pytest.fixture(
    scope="module", params=[var("progressive"), var("full"), TOKENFLOW], ids=["progressive", "full", "tokenflow"]
)
def model(request: pytest.FixtureRequest) -> UnifiedModel:
    """In float64, so that what should be equal is equal to many places."""
    return scales_model(**request.param)


def twin(model: UnifiedModel, text: str, seed: int, settings: dict[str, Any]) -> Tensor:
    """The codes [N] of one picture by TokenFlow's rules: every pass reads everything from the beginning, in rows of
    one picture each."""
    top_k, top_p = settings["top_k"], settings["top_p"]
    ks, ps = {1: ([top_k], [top_p]), 2: ([top_k, 1], [top_p, 1.0]), 3: ([top_k, 5, 1], [top_p, top_p, 1.0])}[
        settings["passes"]
    ]
    prompt = model.processor.drawing_prompt(text)
    rows = [prompt, model.processor.unconditional(prompt)]
    canvas = model.processor.canvas("generation")
    noise = uniforms(1, len(ks) * COUNT, [seed]).view(len(ks), COUNT)
    codes = torch.zeros(COUNT, dtype=torch.int64)
    for k, (start, stop) in enumerate(pairwise(EDGES)):
        t = (settings["guidance"] - 1) * k / (len(SCALES) - 1)
        for again in range(len(ks) if k else 1):
            cond, uncond = (logits_of(model, row, canvas, codes, start, stop, again > 0) for row in rows)
            logits = (1 + t) * cond - t * uncond
            for place in range(stop - start):
                chance = float(noise[again, start + place])
                codes[start + place] = chosen(logits[place], ks[again], ps[again], chance)
    return codes


def logits_of(
    model: UnifiedModel, row: Sequence, canvas: Sequence, codes: Tensor, start: int, stop: int, again: bool
) -> Tensor:
    whole = Sequence((*row.spans, *(evolve(span, picture=codes[:, None]) for span in canvas.spans)))
    batch = model.processor.collate([whole])
    with torch.no_grad():
        embeddings = model.embed(batch)
        places = batch.pictures["generation"].positions[0, start:stop]
        if again:
            own = model.part("generation.embedding").again(codes[None, :stop, None])
            embeddings[0, places] = model.part("generation.adapter")(own)[0]
        states = model.run(embeddings, batch.positions, batch.mask(), routes=batch.routes)
        logits: Tensor = model.part("generation.head")(states[0, places])
    return logits


def chosen(logits: Tensor, top_k: int, top_p: float, chance: float) -> int:
    """One code: of the K most likely, those whose ascending cumulative probabilities exceed 1 − P."""
    values, ids = logits.float().sort(descending=True)
    values, ids = values[:top_k], ids[:top_k]
    rising = values.softmax(-1).flip(0).double().cumsum(0).flip(0)
    keep = rising > 1 - top_p
    keep[0] = True
    probabilities = values[keep].softmax(-1).double()
    index = int((probabilities.cumsum(0) <= chance * float(probabilities.sum())).sum())
    return int(ids[keep][min(index, len(probabilities) - 1)])


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_every_scale_is_what_a_recomputed_sequence_gives(model: UnifiedModel, passes: int) -> None:
    settings = {"top_k": 9, "top_p": 0.8, "guidance": 4.5, "passes": passes, "middle_top_k": 5}
    prompts = [model.processor.drawing_prompt(text) for text in TEXTS]
    drawn = sampler_of(model.plan).draw(model, prompts, seeds=[3, 4, 5], **settings)
    expected = torch.stack([twin(model, text, 3 + row, settings) for row, text in enumerate(TEXTS)])
    assert len(expected.unique(dim=0)) == len(TEXTS)
    assert torch.equal(drawn[..., 0], expected)


def test_every_place_uses_the_weights_of_its_pathway() -> None:
    model = scales_model(backbone={"layers": 2, "routes": ["gen"]}, more='route = "gen"\n')
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".gen." in name and weight.dim() > 1:
                weight.copy_(torch.randn_like(weight) * weight.std())
    settings = {"top_k": 9, "top_p": 0.8, "guidance": 4.5, "passes": 2}
    drawn = sampler_of(model.plan).draw(model, [model.processor.drawing_prompt(TEXTS[1])], seeds=[3], **settings)
    assert torch.equal(drawn[0, :, 0], twin(model, TEXTS[1], 3, settings))


def test_a_picture_depends_on_its_prompt_and_its_seed_alone(model: UnifiedModel) -> None:
    sampler = sampler_of(model.plan)
    prompts = [model.processor.drawing_prompt(text) for text in (*TEXTS, TEXTS[0])]
    seeds = [3, 4, 5, 6]
    for settings in ({"guidance": 3.0}, {"guidance": 1.0, "top_k": 4}, {"ramp": False, "guidance": 0.0}):
        together = sampler.draw(model, prompts, seeds=seeds, **settings)
        for row, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
            assert torch.equal(sampler.draw(model, [prompt], seeds=[seed], **settings)[0], together[row])


def test_previews_decode_the_scales_so_far(model: UnifiedModel) -> None:
    previews: list[Preview] = []
    steps: list[tuple[int, int]] = []
    (picture,) = Model(model).generate(
        [TEXTS[0]], n=1, seed=1, on_preview=previews.append, on_step=lambda done, of: steps.append((done, of))
    )
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [preview.done for preview in previews] == EDGES[1:-1]
    assert all(preview.pictures[0].size == picture.size == (16, 16) for preview in previews)


def test_what_does_not_fit_is_refused(model: UnifiedModel) -> None:
    prompt = model.processor.drawing_prompt(TEXTS[0])
    sampler = sampler_of(model.plan)
    with pytest.raises(UsageError, match="ramp needs the row that sees the whole prompt"):
        sampler.draw(model, [prompt], guidance=0.0)
    with pytest.raises(UsageError, match="passes"):
        sampler.draw(model, [prompt], passes=0)
    with pytest.raises(UsageError, match="draws pictures scale by scale, by the sampler of the recipe"):
        generate_codes(model, [prompt])


def codes_of(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 16, (COUNT, 1))


def prepared(model: UnifiedModel, objective: Any) -> list[Sequence]:
    examples = [Conversation.drawing(text, codes_of(seed)) for seed, text in enumerate((*TEXTS, "three"))]
    examples.insert(2, Conversation.document("a large blue square is above the circle"))
    return [objective.prepare_one(each, np.random.default_rng(seed)) for seed, each in enumerate(examples)]


def objective_of(model: UnifiedModel, **config: Any) -> Any:
    component = registry().find("objective", "autoregressive")
    return component.load()(component.config(text_dropout=0.5, **config), model)


def test_packing_and_micro_batches_change_nothing(model: UnifiedModel) -> None:
    rows, packed = objective_of(model), objective_of(model, packed=240)
    sequences = prepared(model, rows)
    expected = summed(model, rows, [sequences])
    assert "generation.embedding.positions" in expected
    assert not any(name.startswith("generation.tokenizer") for name in expected)
    assert len(packed.collate(sequences).ids) < len(sequences)
    for other in (
        summed(model, rows, [[sequence] for sequence in sequences]),
        summed(model, packed, [sequences]),
        summed(model, packed, [sequences[3:], sequences[:3]]),
    ):
        assert other.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(other[name], value, rtol=1e-7, atol=1e-7, msg=name)


def test_the_loss_is_that_of_every_code_at_its_own_place(model: UnifiedModel) -> None:
    objective = objective_of(model)
    sequences = [some for some in prepared(model, objective) if any(span.kind == "draw" for span in some.spans)]
    total = 0.0
    for sequence in sequences:
        (span,) = (span for span in sequence.spans if span.kind == "draw")
        prompt = Sequence(some for some in sequence.spans[: sequence.spans.index(span)])
        codes, canvas = torch.as_tensor(span.picture)[:, 0], model.processor.canvas("generation")
        for start, stop in pairwise(EDGES):
            known = torch.cat((codes[:start], torch.zeros_like(codes[start:])))  # codes of the scale must not be read
            chances = logits_of(model, prompt, canvas, known, start, stop, False).log_softmax(-1)
            total -= float(chances.gather(-1, codes[start:stop, None]).sum())
    losses, _ = objective.losses(objective.collate(sequences))
    assert float(losses["generation"].total.detach()) == pytest.approx(total, rel=1e-9)
    assert int(losses["generation"].count) == COUNT * len(sequences)
