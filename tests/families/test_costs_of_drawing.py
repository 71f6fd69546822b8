"""Planned memory bounds what drawing allocates, and the FLOPs of a step are those that torch counts."""

from __future__ import annotations

import attrs
import pytest
from family_recipes import FAMILIES, family_model
from janiform import Model, UnifiedModel, sampler_of
from janiform.inference.generate.sampler import guidance_of, sampler_use
from janiform.inference.memory import memory_for_drawing, memory_needs
from janiform.inference.prompts import drawing_prompt_of
from janiform.measure.costs import measure
from janiform.measure.peak import _LiveTensors
from PIL import Image
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

PROMPTS = ["a red circle", "two", "a small blue square above the large circle, and another", "a", "b", "c"]


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> UnifiedModel:
    return family_model(request.param).requires_grad_(False)


def test_the_planned_memory_bounds_what_is_allocated(model: UnifiedModel) -> None:
    use = sampler_use(model.plan)
    requests = PROMPTS
    if model.processor.draws_from:
        requests = Model(model)._with_sources(PROMPTS, [Image.new("RGB", (16, 16))])  # type: ignore[assignment]
    prompts = [drawing_prompt_of(model, request, "generation") for request in requests]
    looks = {span.pathway or "" for prompt in prompts for span in prompt.spans if span.kind == "look"}
    guidance = guidance_of(model.plan, use, attrs.asdict(use.config), looks)
    plan = memory_for_drawing(model, prompts, "generation", guidance)
    assert plan.at_once == len(prompts)
    memory_needs(model)
    live = _LiveTensors([*model.parameters(), *model.buffers()])
    with live:
        sampler_of(model.plan).draw(model, prompts, seeds=list(range(len(prompts))))
    assert live.peak <= plan.cache + plan.work < 4 * live.peak


def counted(model: UnifiedModel, steps: int) -> int:
    """FLOPs of drawing a picture in so many steps."""
    prompt = drawing_prompt_of(model, "a red circle", "generation")
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        sampler_of(model.plan).draw(model, [prompt], seeds=[1], steps=steps, guidance=1.0)
    return counter.get_total_flops()


def test_a_step_of_whole_pictures_takes_what_is_planned(model: UnifiedModel) -> None:
    shape = model.plan.pathways["generation"]
    if shape.process is None:
        pytest.skip("drawn place by place")
    if shape.draws_places:
        pytest.skip("the head draws each place once, in however many steps")
    costs = measure(model.plan)
    step = costs.pathways["generation"].step
    assert step is not None
    canvas = len(model.processor.canvas("generation"))
    length = len(drawing_prompt_of(model, "a red circle", "generation")) + canvas
    position = costs.text_token - 2 * model.plan.hidden.width * model.plan.hidden.vocabulary
    expected = step + (canvas - shape.tokens) * position + canvas * length * costs.attention
    reads = 2 if getattr(sampler_use(model.plan).config, "solver", "euler") == "heun" else 1
    assert counted(model, 4) - counted(model, 3) == pytest.approx(reads * expected, rel=0.03)
