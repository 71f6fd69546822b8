"""Memory is planned: by a pure function of sizes and free bytes, in as few rounds as fit, or refused with numbers."""

from __future__ import annotations

import copy
import subprocess
import sys
from math import ceil
from typing import Any

import janiform
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from janiform import MemoryPlan, Model, ResourceError, UsageError, read_recipe
from janiform.compose import compose
from janiform.inference import memory as room
from janiform.inference.memory import check_weights, plan_answers, plan_drawing
from janiform.measure.needs import Needs, measure_needs
from janiform.model.build import build_model

GB = 10**9

NEEDS = Needs(
    weights=5 * GB,
    number=4,
    layers=10,
    cache=100_000,
    position=50_000,
    answer=500_000,
    code={"generation": 400_000},
    look={"understanding": 30_000_000},
    decode={"generation": 300_000_000},
    pixels={"generation": 3 * 384**2},
)


def drawing(free: int, **settings: Any) -> MemoryPlan:
    usual: dict[str, Any] = {"pictures": 64, "longest": 20, "codes": 576, "rows": 2, "prompts": 1}
    return plan_drawing(NEEDS, "generation", free=free, **usual | settings)


@given(
    free=st.integers(0, 40 * GB),
    pictures=st.integers(1, 200),
    rows=st.integers(1, 3),
    prompts=st.integers(1, 8),
    previews=st.booleans(),
)
def test_a_plan_fits_and_has_no_round_too_many(free: int, **settings: Any) -> None:
    try:
        plan = drawing(free, **settings)
    except ResourceError:
        assert free < 3 * GB
        return
    assert plan.cache + plan.work <= free
    rows = [row for part in plan.parts for row in range(*part.indices(plan.total))]
    assert rows == list(range(settings["pictures"]))
    assert len(list(plan.parts)) == plan.rounds
    assert 1 <= plan.decoded <= plan.at_once <= room.MOST
    assert plan.cache == plan.at_once * settings["rows"] * 596 * NEEDS.cache
    # One round fewer would need more rows at once than fit.
    if plan.rounds > 1:
        larger = ceil(plan.total / (plan.rounds - 1))
        needed = larger * settings["rows"] * 596 * NEEDS.cache
        work = NEEDS.decode["generation"] * 1.25 + 10**8 + larger * 10**7 + plan.total * NEEDS.pixels["generation"]
        assert larger > room.MOST or needed + work > 0.9 * free - 10**8


def test_more_memory_means_no_more_rounds() -> None:
    rounds = [drawing(free).rounds for free in range(GB, 20 * GB, GB // 4)]
    assert rounds == sorted(rounds, reverse=True)
    assert rounds[0] > 8
    assert rounds[-1] == 1


def test_previews_decode_beside_the_cache() -> None:
    assert drawing(5 * GB, previews=True).at_once <= drawing(5 * GB).at_once
    assert drawing(5 * GB, previews=True).work > 0.2 * GB


def test_a_plan_says_what_it_is() -> None:
    said = str(drawing(22 * GB // 10, pictures=64))
    assert said.startswith("64 pictures in 4 rounds of 16: 1.91 GB for keys and values, ")
    assert said.endswith(" to compute with, beside 5.00 GB of weights; 2.20 GB free")
    assert str(drawing(30 * GB, pictures=1)).startswith("1 picture at once: ")
    assert str(drawing(30 * GB, pictures=3)).startswith("3 pictures at once: ")


def test_what_does_not_fit_is_refused_with_numbers_and_what_would_help() -> None:
    with pytest.raises(ResourceError) as caught:
        drawing(GB // 5)
    for said in ("keys and values", "200 MB are free", "5.00 GB of weights", "guidance 1", "bfloat16", "'cpu'"):
        assert said in str(caught.value)
    with pytest.raises(ResourceError, match=r"not even one answer .*lower max_new_tokens; ask about fewer pictures"):
        plan_answers(NEEDS, answers=3, longest=4000, more=200, looks={"understanding": 2}, free=GB // 2)
    with pytest.raises(ResourceError, match=r"'the 7B' take 29.6 GB as float32, and 20.0 GB are free.*14.8 GB"):
        check_weights(4 * 7_400_000_000, torch.float32, 20 * GB, name="'the 7B'")
    with pytest.raises(
        ResourceError, match=r"bfloat16 and int8, and 5.00 GB are free.*: quantize it to int4, free mem"
    ):
        check_weights(8 * GB, torch.bfloat16, 5 * GB, quantize="int8")
    check_weights(2 * 7_400_000_000, torch.bfloat16, 20 * GB)


@given(answers=st.integers(1, 100), longest=st.integers(1, 4000), more=st.integers(1, 300), pictures=st.integers(0, 4))
def test_answers_are_planned_as_well(answers: int, longest: int, more: int, pictures: int) -> None:
    free = 8 * GB
    plan = plan_answers(
        NEEDS, answers=answers, longest=longest, more=more, looks={"understanding": pictures}, free=free
    )
    assert plan.cache == plan.at_once * (longest + more) * NEEDS.cache
    assert plan.cache + plan.work <= free
    assert plan.work >= plan.at_once * max(longest * NEEDS.position, pictures * NEEDS.look["understanding"])


@pytest.mark.parametrize(("pathways", "rounds"), [(("generation",), 1), (("understanding", "generation"), 2)])
def test_a_card_of_24_gb_draws_16_pictures_with_the_7b(pathways: tuple[str, ...], rounds: int) -> None:
    """32 rows with guidance. Of its 24 GiB a card keeps about 0.8 for its context and its display."""
    plan = compose(read_recipe("janus-pro-7b"))
    needs = measure_needs(plan, torch.bfloat16)
    assert needs.weights == pytest.approx(14.8 * GB, rel=0.01)
    assert needs.cache == 2 * 30 * 4096 * 2
    parts = build_model(plan, "meta", torch.bfloat16, parts=["backbone", *pathways])
    weights = sum(tensor.nbytes for tensor in (*parts.parameters(), *parts.buffers()))
    free = int((24 - 0.8) * 2**30) - weights
    planned = plan_drawing(
        needs,
        "generation",
        pictures=16,
        longest=24,
        codes=576,
        rows=2,
        prompts=1,
        free=free,
        device="cuda",
    )
    assert planned.rounds <= rounds
    assert planned.cache == planned.at_once * 2 * 600 * needs.cache


def test_a_model_draws_in_the_rounds_that_were_announced(
    tiny_model: janiform.UnifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In float64, since kernels for other numbers of pictures round the last bit of a float32 otherwise.
    tiny_model = copy.deepcopy(tiny_model).double()
    model = Model(tiny_model)
    whole = model.generate("a red circle", n=6, seed=1)
    # As much as two pictures need.
    needs = room.memory_needs(tiny_model)
    enough = next(
        free
        for free in range(64 << 20, 1 << 30, 10_000)
        if _at_once(needs, free, len(tiny_model.processor.drawing_prompt("a red circle"))) == 2
    )
    monkeypatch.setattr(room, "free_memory", lambda device, weights: enough)
    plans: list[MemoryPlan] = []
    rows: list[int] = []
    hook = tiny_model.backbone.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    try:
        parts = model.generate("a red circle", n=6, seed=1, on_plan=plans.append)
    finally:
        hook.remove()
    (plan,) = plans
    assert plan.rounds == 3
    assert max(rows) == 4
    assert [a.tobytes() for a in parts] == [b.tobytes() for b in whole]


def _at_once(needs: Needs, free: int, longest: int) -> int:
    try:
        settings: dict[str, Any] = {"longest": longest, "codes": 16, "rows": 2, "prompts": 1}
        return plan_drawing(needs, "generation", pictures=6, free=free, **settings).at_once
    except ResourceError:
        return 0


def test_nothing_is_computed_where_it_does_not_fit(
    tiny_model: janiform.UnifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(tiny_model)
    monkeypatch.setattr(room, "free_memory", lambda device, weights: 1 << 20)
    called: list[int] = []
    hook = tiny_model.backbone.register_forward_pre_hook(lambda *_: called.append(1))
    try:
        with pytest.raises(ResourceError, match=r"1\.05 MB are free"):
            model.generate("a red circle", n=6)
        with pytest.raises(ResourceError, match="not even one answer"):
            model.ask(None, "red?")
        # What no memory would help with is said first.
        with pytest.raises(UsageError, match="context of 256"):
            model.generate("x " * 300)
    finally:
        hook.remove()
    assert called == []


def test_weights_that_do_not_fit_are_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("janiform.inference.load.free_memory", lambda device: 10**6)
    monkeypatch.setattr("janiform.storage.filling.fill", lambda *_: pytest.fail("the weights were read"))
    with pytest.raises(ResourceError, match="the weights of 'janus-mini' take"):
        janiform.load("janus-mini")


MEASURE = """
import sys, torch
from janiform import Model, build, use
from janiform.compose import compose
from janiform.inference.memory import memory_needs
from janiform.model.build import build_model

def figure(name):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(name))

side = {side}
recipe = build(
    name="measured",
    backbone=use("llama", width=256, inner=512, layers=4, heads=4, vocabulary=4000, context=1024),
    text=use("bpe", vocabulary=300),
    layout=use("janus"),
    understanding=dict(
        encoder=use("siglip", image_size=side, patch_size=16, width=128, layers=2, heads=2), adapter=use("mlp")
    ),
    generation=dict(
        tokenizer=use("vq", image_size=side, channels=32, groups=8, multipliers=(1, 1, 2, 2), blocks=1, latent=32,
                      vocabulary=256, code_width=8),
        embedding=use("table"), adapter=use("mlp"), head=use("mlp"), sampler=use("autoregressive"),
    ),
)
torch.manual_seed(0)
unified = build_model(compose(recipe)).eval().requires_grad_(False)
unified.processor.fit(["a red circle"])
model = Model(unified)
memory_needs(unified)
plans = []
before = figure("VmRSS")
open("/proc/self/clear_refs", "w").write("5")  # the peak counts from here on
{work}
print(figure("VmHWM") - before, plans[0].cache + plans[0].work, plans[0].at_once)
"""

DRAW = 'model.generate("a red circle", n={n}, on_plan=plans.append)'
ASK = """
import numpy as np
picture = np.zeros((side, side, 3), np.uint8)
model.ask_all([([picture] * 2, "red?")] * {n}, max_new_tokens=4, on_plan=plans.append)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
@pytest.mark.parametrize(("work", "n", "side"), [(DRAW, 8, 96), (ASK, 16, 160)])
def test_the_estimate_bounds_what_is_measured(work: str, n: int, side: int) -> None:
    code = MEASURE.format(side=side, work=work.format(n=n))
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    measured, planned, at_once = map(int, done.stdout.split())
    assert at_once == n
    kernels = room._KERNELS["cpu"]
    assert measured <= planned + kernels, (measured, planned)
    # And it is no estimate that would turn everything away.
    assert planned < 4 * measured, (measured, planned)
