"""A whole model around a backbone with a cache of its own: it draws, answers and is refused where it cannot serve."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from attrs import evolve, frozen
from janiform import CompositionError, Conversation, Look, Span, Turn, generate_codes, generate_text, registry
from janiform.compose import compose
from janiform.compose.checks import check_blocks
from janiform.compose.diagnostics import Diagnostics
from janiform.recipe import Use
from PIL import Image

BAMBA = {
    "width": 32,
    "inner": 48,
    "layers": 3,
    "attention": (1,),
    "heads": 4,
    "mamba_heads": 4,
    "state": 8,
    "chunk": 8,
    "vocabulary": 320,
    "context": 256,
}


def plan_of(make_plan: Any) -> Any:
    component = registry().find("backbone", "bamba")
    return compose(evolve(make_plan().recipe, backbone=Use("backbone", component, component.config(**BAMBA))))


@pytest.fixture(scope="module")
def model(make_plan: Any, fitted: Any) -> Any:
    torch.manual_seed(3)
    return fitted(plan_of(make_plan))


def test_codes_do_not_depend_on_the_batch(model: Any) -> None:
    prompts = [model.processor.drawing_prompt(text) for text in ("a small red circle", "a blue square")]
    together = generate_codes(model, [*prompts, prompts[0]], seeds=[1, 2, 3])
    for index, (prompt, seed) in enumerate(zip([*prompts, prompts[0]], [1, 2, 3], strict=True)):
        torch.testing.assert_close(generate_codes(model, [prompt], seeds=[seed]), together[index : index + 1])


def test_the_first_code_is_that_of_a_whole_forward(model: Any) -> None:
    prompt = model.processor.drawing_prompt("a small red circle")
    codes = generate_codes(model, [prompt], guidance=1, temperature=0)
    with torch.no_grad():
        states = model.hidden(model.processor.collate([prompt]))[:, -1]
        assert int(model.generation.head(states).argmax()) == int(codes[0, 0, 0])


def test_it_answers_about_pictures(model: Any) -> None:
    chat = Conversation((Turn("user", (Look(Image.new("RGB", (16, 16), "red")), "a red circle")),))
    prompt = model.processor.sequence(chat, answer=False)
    (answer,) = generate_text(model, [prompt], max_new_tokens=4)
    ids: list[int] = []
    for _ in range(4):
        whole = model.processor.collate([evolve(prompt, spans=(*prompt.spans, *_text(ids)))])
        with torch.no_grad():
            ids.append(int(model.backbone.logits(model.hidden(whole)[:, -1]).argmax()))
    assert model.processor.text.decode(ids) == answer


def _text(ids: list[int]) -> tuple[Any, ...]:
    return (Span("text", ids),) if ids else ()


def test_a_layout_of_full_blocks_is_refused(make_plan: Any) -> None:
    @frozen
    class Full:
        full_blocks: bool = True

    plan = plan_of(make_plan)
    recipe = evolve(plan.recipe, layout=evolve(plan.recipe.layout, config=Full()))
    diagnostics = Diagnostics(recipe)
    check_blocks(recipe, {}, plan.hidden, diagnostics)
    with pytest.raises(CompositionError, match="positions of a picture see one another"):
        raise CompositionError(diagnostics.problems)
