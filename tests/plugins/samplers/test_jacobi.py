"""The sampler ``jacobi`` draws from the distribution of autoregressive drawing, in fewer forwards."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import janiform
import numpy as np
import pytest
import torch
from janiform import Codes, ComponentError, CompositionError, Grid, Latents, PortMismatch, UnifiedModel
from janiform_plugins.samplers.autoregressive import AutoregressiveSampler
from janiform_plugins.samplers.config import AutoregressiveConfig
from janiform_plugins.samplers.jacobi.config import JacobiConfig
from janiform_plugins.samplers.jacobi.coupling import coupled
from janiform_plugins.samplers.jacobi.sampler import JacobiSampler, _Picture
from scipy.stats import chisquare

PLACES, CODES = 4, 3
PROMPTS = ["a red circle", "two", "a small blue square above the large circle", "a red circle"]


@pytest.mark.parametrize(("window", "sharpness", "seed"), [(2, 1.0, 0), (3, 3.0, 1), (4, 1.5, 2)])
def test_codes_have_the_distribution_of_autoregressive_drawing(window: int, sharpness: float, seed: int) -> None:
    """Against the exact probability of every picture of 4 places and 3 codes, each place depending on all before it."""
    chance = np.random.default_rng(seed)
    table: dict[tuple[int, ...], torch.Tensor] = {
        before: torch.from_numpy(chance.normal(0, sharpness, CODES)).softmax(-1)
        for length in range(PLACES)
        for before in itertools.product(range(CODES), repeat=length)
    }
    draws, drawn = 2000, Counter[tuple[int, ...]]()
    noise = torch.rand(draws, 2 * PLACES * (window + 1), dtype=torch.float64, generator=torch.manual_seed(seed))
    forwards = 0
    for row in noise:
        picture = _Picture(PLACES, window, row)
        picture.accept(table[()][None])
        while picture.certain < PLACES:
            first, read = picture.certain, picture.readable
            contexts = [tuple(picture.codes[: first + place].tolist()) for place in range(read)]
            picture.accept(torch.stack([table[context] for context in contexts]))
            forwards += 1
        drawn[tuple(picture.codes.tolist())] += 1
    pictures = list(itertools.product(range(CODES), repeat=PLACES))
    exact = [float(torch.stack([table[codes[:i]][codes[i]] for i in range(PLACES)]).prod()) for codes in pictures]
    likely = [index for index, share in enumerate(exact) if share * draws >= 5]
    expected = [exact[index] * draws for index in likely]
    counted = [drawn[pictures[index]] for index in likely]
    rest = draws - sum(expected)
    if rest > 1e-6:
        expected, counted = [*expected, rest], [*counted, draws - sum(counted)]
    assert chisquare(counted, expected).pvalue > 0.001
    assert forwards < draws * (PLACES - 1), "fewer forwards than one for each place"


def test_coupled_samples_are_those_of_the_wanted_distribution_and_stay_as_often_as_they_can() -> None:
    generator = torch.Generator().manual_seed(0)
    count, codes = 40_000, 5
    drafted, wanted = (torch.rand(codes, dtype=torch.float64, generator=generator).softmax(-1) for _ in range(2))
    drafts = torch.multinomial(drafted, count, replacement=True, generator=generator)
    uniforms = torch.rand(2, count, dtype=torch.float64, generator=generator)
    chosen = coupled(drafts, drafted.expand(count, -1), wanted.expand(count, -1), uniforms)
    shares = torch.bincount(chosen, minlength=codes).double() / count
    assert torch.allclose(shares, wanted, atol=0.01)
    assert float((chosen == drafts).double().mean()) == pytest.approx(
        float(torch.minimum(wanted, drafted).sum()), abs=0.01
    )


@pytest.mark.parametrize("window", [2, 5, 16])
def test_greedy_pictures_are_those_of_autoregressive_drawing(tiny_model: UnifiedModel, window: int) -> None:
    model = tiny_model.double()
    prompts = [model.processor.drawing_prompt(text) for text in PROMPTS]
    one_by_one = AutoregressiveSampler(AutoregressiveConfig(guidance=3.0, temperature=0.0)).draw(model, prompts)
    forwards: list[int] = []
    hook = model.backbone.register_forward_pre_hook(lambda _, inputs: forwards.append(inputs[0].shape[1]))
    try:
        sampler = JacobiSampler(JacobiConfig(guidance=3.0, temperature=0.0, window=window))
        assert torch.equal(sampler.draw(model, prompts), one_by_one)
    finally:
        hook.remove()
        model.float()
    assert max(forwards[1:]) <= max(window, max(map(len, prompts)))


def test_a_picture_depends_on_its_own_prompt_and_seed(tiny_model: UnifiedModel) -> None:
    model = tiny_model.double()
    prompts = [model.processor.drawing_prompt(text) for text in PROMPTS]
    sampler = JacobiSampler(JacobiConfig(guidance=3.0, top_k=12, top_p=0.9, window=4))
    shown: list[torch.Tensor] = []
    together = sampler.draw(model, prompts, seeds=[3, 3, 2**40, 5], on_codes=lambda codes: shown.append(codes.clone()))
    for number, seed in enumerate([3, 3, 2**40, 5]):
        assert torch.equal(sampler.draw(model, [prompts[number]], seeds=[seed])[0], together[number])
    model.float()
    assert len(shown) < together.shape[1]
    for codes in shown:
        certain = codes >= 0
        assert torch.equal(codes[certain], together[certain]), "a code that was shown does not change"


def test_what_it_does_not_draw_is_refused() -> None:
    config = JacobiConfig()
    grid = Grid(2, 2)
    whatever: Any = None
    config.process(Codes(4, grid, 8), whatever)
    with pytest.raises(PortMismatch, match="draws codes, but the tokenizer has latents"):
        config.process(Latents(grid, 8), whatever)
    with pytest.raises(PortMismatch, match="one code for every place"):
        config.process(Codes(4, grid, 8, 2), whatever)


def test_a_model_is_opened_with_another_sampler() -> None:
    model = janiform.load("janus-mini", sampler="jacobi")
    assert model.drawing_settings()["temperature"] == janiform.load("janus-mini").drawing_settings()["temperature"]
    (picture,) = model.generate("a red circle", temperature=0.0, window=5)
    (other,) = janiform.load("janus-mini").generate("a red circle", temperature=0.0)
    assert picture.tobytes() == other.tobytes()
    with pytest.raises(ComponentError, match="nonesuch"):
        janiform.load("janus-mini", sampler="nonesuch")
    with pytest.raises(CompositionError, match=r"flow"):
        janiform.load("janus-mini", sampler="flow")
