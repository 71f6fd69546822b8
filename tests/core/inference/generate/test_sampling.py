"""Choosing: against sampling that is written out, number by number."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from janiform import Guidance, UsageError
from janiform.inference.generate.sampling import Sampling, invert, keep_top_p, uniforms

logit = st.floats(-8, 8, width=32)
rows = st.lists(logit, min_size=1, max_size=9)
share = st.floats(0, 1, exclude_max=True)


def softmax(logits: list[float]) -> list[float]:
    weights = [math.exp(value - max(logits)) for value in logits]
    return [weight / sum(weights) for weight in weights]


@given(rows, share)
def test_inversion_finds_the_interval(logits: list[float], u: float) -> None:
    index = int(invert(torch.tensor([logits]), torch.tensor([u], dtype=torch.float64)))
    probabilities = softmax(logits)
    before = sum(probabilities[:index])
    assert before - 1e-5 <= u <= before + probabilities[index] + 1e-5


@given(rows, st.sampled_from([0.0, 0.5, 1 - 2**-53]), st.data())
def test_what_is_excluded_is_never_chosen(logits: list[float], u: float, data: st.DataObject) -> None:
    keep = data.draw(st.lists(st.booleans(), min_size=len(logits), max_size=len(logits)).filter(any))
    masked = torch.tensor([logits]).masked_fill(~torch.tensor([keep]), -torch.inf)
    assert keep[int(invert(masked, torch.tensor([u], dtype=torch.float64)))]


@given(rows, st.floats(0.01, 1))
def test_top_p_keeps_the_fewest_likeliest(logits: list[float], top_p: float) -> None:
    kept = (keep_top_p(torch.tensor([logits]), top_p)[0] > -torch.inf).tolist()
    probabilities = softmax(logits)
    order = sorted(range(len(logits)), key=lambda i: -probabilities[i])
    chosen = [i for i in order if kept[i]]
    assert chosen
    together = sum(probabilities[i] for i in chosen)
    assert together >= top_p - 1e-5
    assert together - probabilities[chosen[-1]] < top_p + 1e-5
    left_out = [probabilities[i] for i in order if not kept[i]]
    assert not left_out or max(left_out) <= probabilities[chosen[-1]] + 1e-6


@given(rows, st.integers(1, 10), st.floats(0.1, 4), share)
def test_top_k_chooses_among_k(logits: list[float], top_k: int, temperature: float, u: float) -> None:
    sampling = Sampling(temperature=temperature, top_k=top_k)
    index = int(sampling(torch.tensor([logits]), torch.tensor([u], dtype=torch.float64)))
    better = sum(value > logits[index] for value in logits)
    assert better < top_k


@given(st.lists(st.tuples(logit, logit), min_size=1, max_size=5), st.floats(0, 9, width=32))
def test_guidance(pairs: list[tuple[float, float]], guidance: float) -> None:
    assume(guidance not in (0, 1))  # where one of the rows is not computed
    conditional, unconditional = ([pair[i] for pair in pairs] for i in (0, 1))
    mixed = Guidance.plain(guidance).mix(torch.tensor([conditional, unconditional]))
    expected = [u + guidance * (c - u) for c, u in pairs]
    torch.testing.assert_close(mixed, torch.tensor([expected]), rtol=1e-5, atol=1e-4)


def test_temperature_divides_the_logits() -> None:
    logits = torch.tensor([[0.0, 1.0, 3.0]]).expand(4000, -1)
    noise = uniforms(4000, 1, range(4000))[0]
    drawn = Sampling(temperature=2.0)(logits, noise).bincount(minlength=3) / 4000
    torch.testing.assert_close(drawn, torch.tensor(softmax([0, 0.5, 1.5])), rtol=0, atol=0.03)
    assert Sampling(temperature=0)(logits).tolist() == [2] * 4000


@pytest.mark.parametrize("temperature", [1e-320, 1e-44, 1e-36, 1e-30, 1e-10])
def test_a_temperature_near_zero_is_greedy(temperature: float) -> None:
    logits, uniforms = torch.tensor([[-9.0, 1e4, 3.0], [5.0, -1e4, 4.9]]), torch.tensor([0.999, 0.001])
    for top_k, top_p in ((0, 1.0), (2, 0.5)):
        assert Sampling(temperature, top_k, top_p)(logits, uniforms).tolist() == [1, 0]


def test_noise_belongs_to_its_row() -> None:
    noise = uniforms(3, 5, [7, 8, 9])
    assert noise.shape == (5, 3)
    assert torch.equal(noise[:, 1:2], uniforms(1, 5, [8]))
    torch.manual_seed(1)
    first = uniforms(2, 5, None)
    torch.manual_seed(1)
    assert torch.equal(first, uniforms(2, 5, None))
    assert not torch.equal(first[:, 0], first[:, 1])
    with pytest.raises(UsageError, match=r"one seed per row \(2\); got 1"):
        uniforms(2, 5, [1])


@pytest.mark.parametrize(
    "settings", [{"temperature": -1}, {"temperature": math.inf}, {"temperature": math.nan}, {"top_k": -1}, {"top_p": 0}]
)
def test_settings_out_of_range(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(settings))):
        Sampling(**settings)
