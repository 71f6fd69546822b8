"""Whole models with several codes a position, and with one vocabulary for text and codes: they learn and draw."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from janiform import (
    CompositionError,
    Conversation,
    Look,
    Model,
    Sequence,
    Span,
    Turn,
    UnifiedModel,
    decode_codes,
    generate_codes,
    generate_text,
    open_model,
    provenance_of,
    registry,
    save_model,
    save_picture,
)
from janiform.measure.costs import measure
from janiform.measure.needs import measure_needs
from janiform.model.build import build_model
from janiform.recipe import Pathway, Share, Use
from janiform_plugins.objectives.next_token import next_token_losses

TOKENIZER = {"image_size": 16, "channels": 8, "groups": 4, "multipliers": (1, 1, 2), "blocks": 1, "latent": 8,
             "code_width": 4}  # fmt: skip
PROMPTS = ["a red circle", "a small blue square above the large circle, and another", "two"]


def use(kind: str, name: str, **config: Any) -> Use:
    component = registry().find(kind, name)
    return Use(kind, component, component.config(**config))


SAMPLER = use("sampler", "autoregressive", guidance=2.0)
DEEP = {
    "tokenizer": use("tokenizer", "rvq", **TOKENIZER, vocabulary=9, depth=4),
    "embedding": use("embedding", "table"),
    "adapter": use("adapter", "mlp"),
    "head": use("head", "depth", width=16, layers=2, heads=2),
    "sampler": SAMPLER,
}
CHAMELEON = {
    "tokenizer": use("tokenizer", "vq", **TOKENIZER, vocabulary=24),
    "embedding": use("embedding", "shared"),
    "adapter": use("adapter", "identity"),
    "head": use("head", "shared"),
    "sampler": SAMPLER,
}
LOOKING = {role: Share(f"generation.{role}") for role in ("tokenizer", "embedding", "adapter")}


def pathways(parts: dict[str, Any]) -> dict[str, Pathway]:
    return {
        "generation": Pathway("generation", "draw", parts),
        "understanding": Pathway("understanding", "look", LOOKING),
    }


@pytest.fixture(scope="module")
def deep(make_plan: Any, fitted: Any) -> UnifiedModel:
    """Both faces by one tokenizer of depth 4, whose codebooks differ enough for codes to hang on the picture."""
    model = fitted(make_plan(pathways(DEEP)))
    for book in model.generation.tokenizer.quantize.books:
        torch.nn.init.normal_(book.embedding.weight, std=4.0)
    return model


@pytest.fixture(scope="module")
def one_vocabulary(make_plan: Any, fitted: Any) -> UnifiedModel:
    return fitted(make_plan(pathways(CHAMELEON), backbone={"vocabulary": 344}))


@torch.no_grad()
def by_separate_forwards(model: UnifiedModel, prompt: Sequence, guidance: float) -> tuple[torch.Tensor, float]:
    """Greedy codes [N, d] by whole forwards, without cache, with teacher-forced levels; and the least margin."""
    shape, margin = model.plan.pathways["generation"].codes, math.inf
    codes = torch.empty(0, shape.depth, dtype=torch.int64)
    for _ in range(shape.tokens):
        states = []
        for sequence in (prompt, model.processor.unconditional(prompt)):
            drawn = [Span("draw", [0] * len(codes), "generation", codes)] if len(codes) else []
            states.append(model.hidden(model.processor.collate([Sequence((*sequence.spans, *drawn))]))[0, -1])
        chosen = torch.zeros(2, shape.depth, dtype=torch.int64)
        for level in range(shape.depth):
            head = model.generation.head
            logits = head.logits(torch.stack(states), chosen)[:, level]
            best = (logits[1] + guidance * (logits[0] - logits[1])).topk(2)
            margin = min(margin, float(best.values[0] - best.values[1]))
            chosen[:, level] = best.indices[0]
        codes = torch.cat((codes, chosen[:1]))
    return codes, margin


def test_codes_of_four_levels_with_guidance_are_as_by_separate_forwards(deep: UnifiedModel) -> None:
    prompts = [deep.processor.drawing_prompt(prompt) for prompt in PROMPTS]
    together = generate_codes(deep, prompts, guidance=2.0, temperature=0)
    assert together.shape == (3, 16, 4)
    assert len(together.unique()) > 4
    codes, margin = by_separate_forwards(deep, prompts[1], 2.0)
    assert margin > 1e-4
    assert torch.equal(together[1], codes)
    seen: list[torch.Tensor] = []
    settings: dict[str, Any] = {"guidance": 1.5, "temperature": 0.9, "top_k": 5}
    sampled = generate_codes(deep, prompts, seeds=[1, 2, 3], on_codes=lambda c: seen.append(c.clone()), **settings)
    assert torch.equal(sampled[2:], generate_codes(deep, prompts[2:], seeds=[3], **settings))
    assert [int((codes >= 0).all(-1)[0].sum()) for codes in seen] == list(range(1, 17))
    assert decode_codes(deep, sampled).shape == (3, 3, 16, 16)


def test_a_model_of_four_levels_is_used_as_any_other(deep: UnifiedModel, tmp_path: Any) -> None:
    model, previews = Model(deep), []
    pictures = model.generate(PROMPTS[:2], seed=3, on_preview=previews.append)
    assert [len(preview.pictures) for preview in previews] == [2, 2, 2]
    assert all(preview.codes.shape == (2, 16, 4) for preview in previews)
    save_picture(pictures[0], tmp_path / "drawn.png")
    assert provenance_of(tmp_path / "drawn.png").prompt == PROMPTS[0]
    assert isinstance(model.ask(pictures[0], "how many?", max_new_tokens=3), str)
    save_model(deep, tmp_path / "model")
    again = open_model(tmp_path / "model")
    prompt = [deep.processor.drawing_prompt(PROMPTS[0])]
    assert torch.equal(generate_codes(again, prompt, seeds=[1]), generate_codes(deep, prompt, seeds=[1]))


def conversations(count: int = 4) -> list[Conversation]:
    pictures = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    drawing = [Conversation.drawing(PROMPTS[n % 3], picture) for n, picture in enumerate(pictures)]
    return [*drawing, Conversation((Turn("user", (Look(pictures[0]), "which?")), Turn("assistant", "a red circle")))]


@pytest.mark.parametrize("name", ["deep", "one_vocabulary"])
def test_padded_packed_and_alone_lose_the_same(name: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    depth = model.plan.pathways["generation"].codes.depth
    sequences = [model.processor.sequence(example) for example in conversations()]
    with torch.no_grad():
        alone: dict[str, Any] = {}
        for sequence in sequences:
            for key, loss in next_token_losses(model, model.processor.collate([sequence])).items():
                alone[key] = alone[key] + loss if key in alone else loss
        for batch in (model.processor.collate(sequences), model.processor.pack(sequences, 120)):
            together = next_token_losses(model, batch)
            assert together.keys() == alone.keys() == {"generation", "understanding"}
            for key, loss in together.items():
                assert loss.count == alone[key].count
                torch.testing.assert_close(loss.total, alone[key].total, rtol=1e-4, atol=1e-3)
    assert alone["generation"].count == 4 * 16 * depth


@pytest.mark.parametrize("parts", [DEEP, CHAMELEON], ids=["deep", "one vocabulary"])
def test_it_learns_to_draw_what_it_is_shown(parts: dict[str, Any], make_plan: Any) -> None:
    torch.manual_seed(0)
    vocabulary = 344 if parts is CHAMELEON else 320
    model = build_model(make_plan(pathways(parts), backbone={"vocabulary": vocabulary})).train()
    model.processor.fit(PROMPTS * 3)
    shape = model.plan.pathways["generation"].codes
    wanted = torch.randint(shape.vocabulary, (2, shape.tokens, shape.depth))
    examples = [Conversation.drawing(prompt, codes) for prompt, codes in zip(PROMPTS, wanted, strict=False)]
    batch = model.processor.collate([model.processor.sequence(example) for example in examples])
    trained = [p for n, p in model.named_parameters() if not n.startswith("generation.tokenizer")]
    optimizer = torch.optim.AdamW(trained, 1e-2)
    for _ in range(150):
        loss = next_token_losses(model, batch)["generation"].mean
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss < 0.05:
            break
    assert loss < 0.05
    prompts = [model.processor.drawing_prompt(prompt) for prompt in PROMPTS[:2]]
    drawn = generate_codes(model, prompts, guidance=1.0, temperature=0)
    assert (drawn == wanted).float().mean() > 0.9


def test_costs_count_every_level_and_shared_matrices_once(deep: UnifiedModel, one_vocabulary: UnifiedModel) -> None:
    costs = measure(deep.plan)
    head = deep.plan.parts["generation.head"]
    assert costs.parts["generation.head"].parameters == sum(p.numel() for p in deep.generation.head.parameters())
    blocks = sum(p.numel() for n, p in deep.generation.head.named_parameters() if "proj" in n)
    products = 4 * blocks + 32 * 16 + 4 * 16 * 9  # each level passes the blocks; one entrance, four exits
    attention = 2 * 2 * (4 * 4 * 16)  # scores and sums of values, in both layers, as a full square
    position = costs.text_token - 2 * 32 * 320
    rest = costs.pathways["generation"].code - position - 2 * (products + attention)
    assert rest == 2 * (4 * 32 + 32 * 32), head  # the adapter
    shared = measure(one_vocabulary.plan)
    assert shared.parts["generation.head"].parameters == shared.parts["generation.embedding"].parameters == 0
    assert shared.pathways["generation"].code == shared.text_token
    names = [name for name in one_vocabulary.state_dict() if "embed" in name or "head" in name or "_backbone" in name]
    assert [name for name in names if "tokenizer" not in name] == [
        "backbone.embed_tokens.weight",
        "backbone.lm_head.weight",
    ]
    assert shared.parameters == sum(p.numel() for p in one_vocabulary.parameters())
    for plan in (deep.plan, one_vocabulary.plan):
        needs = measure_needs(plan, torch.float32)
        assert needs.code["generation"] > needs.position


def test_text_is_never_a_code_and_a_picture_never_a_word(one_vocabulary: UnifiedModel) -> None:
    plan = one_vocabulary.plan
    assert (plan.text_ids, plan.hidden.vocabulary) == ((range(320),), 344)
    matrix = one_vocabulary.backbone.lm_head.weight
    before = matrix.detach().clone()
    try:
        for favoured in (slice(0, 320), slice(320, 344)):
            with torch.no_grad():
                matrix.copy_(before)
                matrix[favoured] *= 30
            drawn = generate_codes(one_vocabulary, [one_vocabulary.processor.drawing_prompt("two")], guidance=1.0)
            assert drawn.min() >= 0
            assert drawn.max() < 24
            read: list[int] = []
            hook = one_vocabulary.backbone.embed_tokens.register_forward_hook(
                lambda _, args, __, read=read: read.extend(args[0].flatten().tolist())
            )
            prompt = one_vocabulary.processor.sequence(Conversation.asking("how many?"), answer=False)
            generate_text(one_vocabulary, [prompt], max_new_tokens=8, temperature=1.0, seeds=[1])
            hook.remove()
            assert max(read) < 320
    finally:
        with torch.no_grad():
            matrix.copy_(before)


def test_a_model_with_one_vocabulary_is_saved_opened_and_opened_in_parts(
    one_vocabulary: UnifiedModel, tmp_path: Any
) -> None:
    save_model(one_vocabulary, tmp_path)
    prompt = [one_vocabulary.processor.drawing_prompt(PROMPTS[0])]
    wanted = generate_codes(one_vocabulary, prompt, seeds=[1])
    for settings in ({}, {"only": "draw"}):
        again = open_model(tmp_path, **settings)
        assert again.generation.head._backbone is again.backbone
        assert torch.equal(generate_codes(again, prompt, seeds=[1]), wanted)
    assert json.loads((tmp_path / "model.json").read_text())["parameters"] == sum(
        p.numel() for p in one_vocabulary.parameters()
    )
    for way in ("int8", "int4"):
        small = open_model(tmp_path, quantize=way)
        assert generate_codes(small, prompt, seeds=[1]).shape == wanted.shape


def problems(make_plan: Any, ways: dict[str, Pathway], **settings: Any) -> list[str]:
    with pytest.raises(CompositionError) as caught:
        make_plan(ways, **settings)
    return [str(problem) for problem in caught.value.problems]


def test_one_id_means_one_thing(make_plan: Any) -> None:
    found = problems(make_plan, pathways(CHAMELEON))
    assert found == [
        "text: bpe@1 has ids up to 320, but those from 296 on are the codes of generation.embedding (shared@1) "
        "(use a backbone.vocabulary of 344, or a text vocabulary of at most 296)"
    ]
    found = problems(make_plan, pathways(CHAMELEON), backbone={"vocabulary": 20}, text={"vocabulary": 0})
    for part in ("embedding", "head"):
        message = f"generation.{part}: shared@1 does not fit: the backbone's vocabulary of 20 is too small for 24 codes"
        assert any(line.startswith(message) for line in found)
    apart = pathways(CHAMELEON | {"head": use("head", "shared", first=321)})
    (found,) = problems(make_plan, apart, backbone={"vocabulary": 350})
    assert "its codes are the backbone's ids 321 .. 344, but generation.embedding (shared@1) has 326 .. 349" in found
    other = Pathway("sketch", "draw", dict(CHAMELEON))
    found = problems(make_plan, pathways(CHAMELEON) | {"sketch": other}, backbone={"vocabulary": 344})
    assert any(
        line.startswith("sketch.head: its codes are the backbone's ids 320 .. 343, but generation.") for line in found
    )
    more = {"embedding": use("embedding", "shared", first=344), "head": use("head", "shared", first=344)}
    plan = make_plan(
        pathways(
            CHAMELEON | {"embedding": use("embedding", "shared", first=320), "head": use("head", "shared", first=320)}
        )
        | {"sketch": Pathway("sketch", "draw", CHAMELEON | more)},
        backbone={"vocabulary": 368},
    )
    assert plan.text_ids == (range(320),)
