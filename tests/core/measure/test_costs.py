"""Costs agree with counting by hand, with closed forms, and with the sizes that the papers give."""

from __future__ import annotations

import resource
from time import process_time

import pytest
import torch
from janiform import read_recipe
from janiform.compose import compose
from janiform.measure import flops
from janiform.measure.costs import measure
from janiform.measure.examine import examine
from janiform.model.build import build_model
from janiform.model.modules import build_modules
from tiny_parts import Brain, Code, Line, draw, look, recipe, shared, use
from torch import nn


def test_sizes_are_those_of_the_model_that_is_built() -> None:
    plan = compose(recipe(look(), draw()))
    costs, model = measure(plan), build_model(plan)
    assert costs.parameters == sum(p.numel() for p in model.parameters())
    assert costs.parameters + costs.buffers == sum(value.numel() for value in model.state_dict().values())
    assert costs.parts["generation.tokenizer"].buffers == 11
    assert costs.weight_bytes("fp32") == sum(value.nbytes for value in model.state_dict().values())


def test_tied_and_shared_weights_count_once() -> None:
    plan = compose(recipe(shared("tokenizer", "embedding", "adapter"), draw()))
    assert measure(plan).parameters == measure(compose(recipe(draw()))).parameters


def test_kv_cache() -> None:
    costs = measure(compose(recipe(backbone=use("backbone", Brain(layers=3, heads=4, kv_heads=2, width=16)))))
    assert costs.kv_bytes(1, "fp32") == 3 * 2 * 2 * 4 * 4
    assert costs.kv_bytes() == 64 * 3 * 2 * 2 * 4 * 2


def test_flops_by_hand() -> None:
    costs = measure(compose(recipe(look(), draw(tokenizer=use("tokenizer", Code(depth=2))))))
    layers, width, kv = 2, 8, 4
    position = layers * 2 * width * (width + 2 * kv)
    assert costs.attention == layers * 4 * width
    assert costs.text_token == position + 2 * width * 13
    seen = costs.pathways["understanding"]
    assert seen.look == 16 * (2 * 3 * 4 * 6 + 2 * 6 * width + position)
    drawn = costs.pathways["generation"]
    assert drawn.code == position + 2 * (2 * width * 11) + 2 * 3 * width
    assert drawn.decode == 16 * 2 * 3 * 3 * 4
    assert (seen.tokens, drawn.tokens, seen.pixels) == (16, 16, (8, 8))


def test_merging_adapters_save_positions() -> None:
    plain = measure(compose(recipe(look()))).pathways["understanding"]
    merged = measure(compose(recipe(look(adapter=use("adapter", Line(merge=4)))))).pathways["understanding"]
    assert merged.tokens == plain.tokens // 4
    assert merged.look is not None
    assert plain.look is not None
    assert merged.look < plain.look


def test_code_that_cannot_run_on_meta_is_counted_by_its_weights() -> None:
    class Asks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(100, 8)
            self.line = nn.Linear(8, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.sum() > 0:
                return self.line(x)
            return self.line(x) + 1

    with torch.device("meta"):
        module = Asks()
    assert flops.of_call(module, module, (1, 7, 8), tokens=7) == 2 * 7 * 8 * 5


@pytest.mark.parametrize("path", ["understanding.encoder", "understanding.adapter", "backbone"])
def test_counted_and_closed_forms_agree_on_the_shipped_parts(path: str) -> None:
    """Both ways of counting, on a real part: they differ by attention's products only, whose closed form is known."""
    plan = compose(read_recipe("janus-mini"))
    module = build_modules(plan, "meta", parts=[path])[path]
    if path == "backbone":
        hidden = plan.hidden
        position, per_key = flops.of_backbone(module, hidden.width, hidden.layers)
        assert per_key == 4 * hidden.width * hidden.layers
        logits = 0 if plan.recipe.backbone.config.tied else 2 * hidden.width * hidden.vocabulary
        assert position == flops.by_weights(module, 1) - logits
        return
    config = plan.parts[path].use.config
    tokens, width = 64, plan.parts["understanding.encoder"].output.width
    if path == "understanding.encoder":
        attention = config.layers * 4 * tokens**2 * config.width
        shape: tuple[int, ...] = (1, 3, 64, 64)
    else:
        attention, shape = 0, (1, tokens, width)
    counted = flops.count(lambda: module(torch.empty(shape, device="meta")))
    positions = 2 * tokens * 64 * width if path == "understanding.encoder" else 0
    assert counted is not None
    rows = tokens if path == "understanding.encoder" else plan.pathways["understanding"].tokens
    assert counted - attention == pytest.approx(flops.by_weights(module, rows) - positions, rel=0.02)


def test_janus_pro_has_its_published_size() -> None:
    assert measure(compose(read_recipe("janus-pro-1b"))).parameters / 1e9 == pytest.approx(2.08, abs=0.005)


def test_the_largest_recipe_has_its_published_size_and_composes_in_little_time_and_memory() -> None:
    examine(read_recipe("janus-mini"))  # so that everything is imported
    begun, before = process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert examine(read_recipe("janus-pro-7b")).costs.parameters / 1e9 == pytest.approx(7.41, abs=0.005)
    assert process_time() - begun < 20  # of the processor, which caches that others use make slower; 2 if it is idle
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 << 10  # the weights take 30 GB
