"""Tokenizers without a codebook: codes are the nearest ones, losses their formulas, and models learn with them."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from janiform import Codes, Conversation, Grid, registry
from janiform.recipe import Pathway, Use
from janiform_plugins.objectives.next_token import next_token_losses
from janiform_plugins.tokenizers.config import FsqConfig, LfqConfig
from janiform_plugins.tokenizers.fsq import FsqQuantizer
from janiform_plugins.tokenizers.lfq import LfqQuantizer

SIZES = {"image_size": 16, "channels": 8, "groups": 2, "multipliers": (1, 2, 2), "blocks": 1, "latent": 6}
KINDS = {"fsq": {"levels": (5, 4, 3)}, "lfq": {"bits": 5}}
VOCABULARY = {"fsq": 60, "lfq": 32}


def tokenizer(name: str, **settings: Any) -> Any:
    torch.manual_seed(0)
    component = registry().find("tokenizer", name)
    return component.load()(component.config(**SIZES | KINDS[name] | settings))


def pixels(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def latents_of(model: Any, pictures: torch.Tensor) -> torch.Tensor:
    return model.quant_conv(model.encoder(pictures)).permute(0, 2, 3, 1).flatten(0, 2)


@settings(max_examples=30)
@given(levels=st.lists(st.integers(3, 9), min_size=1, max_size=4).map(tuple), seed=st.integers(0, 99))
def test_fsq_takes_the_nearest_of_all_combinations_of_levels(levels: tuple[int, ...], seed: int) -> None:
    quantize = FsqQuantizer(levels)
    # A digit of the code for each channel, the first one counting least: so `product` runs over them from behind.
    digits = torch.tensor([numbers[::-1] for numbers in product(*map(range, reversed(levels)))])
    middle = torch.tensor(levels) // 2
    book = quantize.look_up(torch.arange(len(digits)))
    torch.testing.assert_close(book, (digits - middle) / middle)
    assert book.min() >= -1
    assert book.max() <= 1

    vectors = torch.randn(40, len(levels), generator=torch.Generator().manual_seed(seed)) * 3
    nearest = torch.cdist(quantize.bound(vectors) + middle, digits.float()).argmin(dim=-1)
    assert torch.equal(quantize(vectors), nearest)
    torch.testing.assert_close(quantize.straight_through(vectors), book[nearest])


@settings(max_examples=30)
@given(levels=st.lists(st.integers(3, 9), min_size=1, max_size=3).map(tuple))
def test_every_code_of_fsq_can_be_reached_and_zero_stays(levels: tuple[int, ...]) -> None:
    quantize = FsqQuantizer(levels)
    everything = torch.arange(int(np.prod(levels)))
    values = torch.linspace(-9, 9, 2001)
    for channel, count in enumerate(levels):
        vectors = torch.zeros(len(values), len(levels))
        vectors[:, channel] = values
        reached = quantize.look_up(quantize(vectors))[:, channel]
        assert len(reached.unique()) == count
        assert (reached.diff() >= 0).all()
    assert not quantize.bound(torch.zeros(1, len(levels))).abs().gt(1e-6).any()
    assert len(quantize.look_up(everything).unique(dim=0)) == len(everything)


def test_fsq_bounds_as_the_paper_does() -> None:
    vectors = torch.linspace(-4, 4, 9, dtype=torch.float64)[:, None]
    odd, even = FsqQuantizer((5,)).bound(vectors), FsqQuantizer((8,)).bound(vectors)
    torch.testing.assert_close(odd, 2.002 * vectors.tanh(), rtol=1e-6, atol=1e-6)
    half = 3.5 * 1.001
    torch.testing.assert_close(even, half * (vectors + np.arctanh(0.5 / half)).tanh() - 0.5, rtol=1e-6, atol=1e-6)


@settings(max_examples=30)
@given(bits=st.integers(1, 8), seed=st.integers(0, 99))
def test_lfq_takes_the_nearest_corner(bits: int, seed: int) -> None:
    quantize = LfqQuantizer(bits)
    corners = torch.tensor([numbers[::-1] for numbers in product((-1.0, 1.0), repeat=bits)])
    assert torch.equal(quantize.look_up(torch.arange(1 << bits)), corners)
    assert torch.equal(quantize(corners), torch.arange(1 << bits))
    vectors = torch.randn(40, bits, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(quantize(vectors), torch.cdist(vectors, corners).argmin(dim=-1))


@settings(max_examples=30)
@given(bits=st.integers(1, 7), temperature=st.floats(0.05, 4), seed=st.integers(0, 99))
@example(bits=6, temperature=0.0546875, seed=1)
def test_the_entropy_over_halves_of_the_bits_is_that_over_all_codes(bits: int, temperature: float, seed: int) -> None:
    vectors = torch.randn(9, bits, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    vectors.requires_grad_()
    book = LfqQuantizer(bits).look_up(torch.arange(1 << bits)).double()
    # By logarithms that stay finite where a chance rounds to zero: entr has no gradient there.
    logs = (-torch.cdist(vectors, book).square() / temperature).log_softmax(dim=-1)
    mean_logs = logs.logsumexp(dim=0) - math.log(len(vectors))
    expected = (mean_logs.exp() * mean_logs).sum() - (logs.exp() * logs).sum(dim=-1).mean()
    entropy = LfqQuantizer(bits).entropy(vectors, temperature)
    torch.testing.assert_close(entropy, expected, rtol=1e-6, atol=1e-8)
    gradient, of_formula = (torch.autograd.grad(value, vectors)[0] for value in (entropy, expected))
    torch.testing.assert_close(gradient, of_formula, rtol=1e-4, atol=1e-7)


def test_lfq_can_be_as_large_as_that_of_magvit() -> None:
    vectors = torch.randn(16, 18, requires_grad=True)
    LfqQuantizer(18).entropy(vectors, 1.0).backward()
    assert vectors.grad.isfinite().all()
    assert vectors.grad.abs().sum() > 0


@pytest.mark.parametrize("name", KINDS)
def test_ports_and_shapes(name: str) -> None:
    model = tokenizer(name).eval()
    port = model.config.codes()
    width = {"fsq": 3, "lfq": 5}[name]
    assert port == Codes(vocabulary=VOCABULARY[name], grid=Grid(4, 4), width=width)
    codes = model.encode(pixels())
    assert codes.shape == (3, 16, 1)
    assert codes.dtype == torch.int64
    assert codes.min() >= 0
    assert codes.max() < port.vocabulary
    assert len(codes.unique()) > 1
    assert model.vectors(codes).shape == (3, 16, width)
    assert model.decode(codes).shape == (3, 3, 16, 16)
    assert torch.equal(codes.flatten(), model.quantize(latents_of(model, pixels())))
    half = tokenizer(name).bfloat16()
    assert half.decode(half.encode(pixels().bfloat16())).dtype == torch.bfloat16
    assert not [key for key in model.state_dict() if key.startswith("quantize")]


@pytest.mark.parametrize("name", KINDS)
def test_losses_are_their_formulas(name: str) -> None:
    own = {"commitment": 0.25, "entropy": 0.1, "temperature": 0.5} if name == "lfq" else {}
    model = tokenizer(name, l1=0.5, l2=2.0, **own)
    losses, figures = model.losses(pixels())
    codes = model.encode(pixels())
    error = model.decode(codes) - pixels()
    expected = {"l1": 0.5 * error.abs().mean(), "l2": 2.0 * error.square().mean()}
    if name == "lfq":
        latents = latents_of(model, pixels())
        expected["commitment"] = 0.25 * (latents - latents.sign()).square().mean()
        expected["entropy"] = 0.1 * model.quantize.entropy(latents, 0.5)
    assert losses.keys() == expected.keys()
    for part, loss in losses.items():
        assert loss.count == 3
        torch.testing.assert_close(loss.mean, expected[part], rtol=1e-4, atol=1e-6)
    used = codes.flatten().bincount(minlength=VOCABULARY[name]) / codes.numel()
    torch.testing.assert_close(figures["usage"], (used > 0).float().mean())
    torch.testing.assert_close(figures["perplexity"], torch.special.entr(used).sum().exp())
    torch.testing.assert_close(figures["l2"], error.square().mean().detach())


def test_gradients_go_straight_through() -> None:
    reached = {}
    for name in KINDS:
        model = tokenizer(name)
        for part, loss in model.losses(pixels())[0].items():
            model.zero_grad()
            loss.mean.backward(retain_graph=True)
            reached[name, part] = {
                half
                for half in ("encoder", "decoder")
                for parameter in getattr(model, half).parameters()
                if parameter.grad is not None and parameter.grad.abs().sum() > 0
            }
    both = {"encoder", "decoder"}
    assert reached == {
        ("fsq", "l2"): both, ("lfq", "l2"): both, ("lfq", "commitment"): {"encoder"}, ("lfq", "entropy"): {"encoder"},
    }  # fmt: skip


def test_the_gradient_of_a_value_is_that_of_the_vector_before_it_was_rounded() -> None:
    vectors = torch.randn(6, 2, requires_grad=True)
    seed = torch.randn(6, 2)
    fsq = FsqQuantizer((5, 8))
    rounded, bounded = fsq.straight_through(vectors), fsq.bound(vectors) / torch.tensor((2, 4))
    gradient, expected = (torch.autograd.grad(value, vectors, seed)[0] for value in (rounded, bounded))
    torch.testing.assert_close(gradient, expected)
    model = tokenizer("lfq", bits=2)
    quantized = model.quantized(vectors[None])
    (gradient,) = torch.autograd.grad(quantized.vectors, vectors, seed[None])
    torch.testing.assert_close(gradient, seed)


@pytest.mark.parametrize("name", KINDS)
def test_mixed_precision_changes_no_code(name: str) -> None:
    model = tokenizer(name).eval()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model.encode(pixels())
    assert torch.equal(mixed, model.encode(pixels()))


@pytest.mark.parametrize("name", KINDS)
def test_a_janus_draws_its_codes_and_reconstruction_teaches_it(name: str, make_plan: Any, fitted: Any) -> None:
    component = registry().find("tokenizer", name)
    mine = Use("tokenizer", component, component.config(**SIZES | {"groups": 4} | KINDS[name]))
    parts = dict(make_plan().recipe.pathways["generation"].parts)
    model = fitted(make_plan({"generation": Pathway("generation", "draw", parts | {"tokenizer": mine})}))
    assert model.plan.pathways["generation"].codes.vocabulary == VOCABULARY[name]
    assert model.generation.head.layers[-1].out_features == VOCABULARY[name]
    assert model.generation.embedding.table.weight.shape == (
        VOCABULARY[name],
        model.plan.pathways["generation"].codes.width,
    )

    rng = np.random.default_rng(0)
    examples = [
        Conversation.drawing("a red circle", np.full((16, 16, 3), colour, np.uint8))
        for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200))
    ]
    batch = model.processor.collate([model.processor.sequence(example) for example in examples])
    assert next_token_losses(model, batch)["generation"].mean.isfinite()

    objective = registry().find("objective", "reconstruction")
    learning = objective.load()(objective.config(), model)
    fresh = tokenizer(name, groups=4)
    model.generation.tokenizer.load_state_dict(fresh.state_dict())  # `fitted` made weights that are too large to learn
    optimizer = torch.optim.AdamW(model.generation.tokenizer.parameters(), 3e-3)
    pictures = learning.prepare(examples, rng)
    errors = []
    for _ in range(30):
        losses, figures = learning.losses(pictures)
        errors.append(figures["l2"].item())
        assert 0 < figures["usage"] <= 1
        sum(loss.mean for loss in losses.values()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert errors[-1] < 0.3 * errors[0]
    assert learning.samples(examples).picture.width > 3 * 128


@pytest.mark.parametrize(
    ("config", "settings", "sentence"),
    [
        (FsqConfig, {"levels": ()}, "levels"),
        (FsqConfig, {"levels": (8, 2)}, "levels"),
        (FsqConfig, {"image_size": 17}, "image_size 17 is not a multiple of 4"),
        (LfqConfig, {"bits": 0}, "bits"),
        (LfqConfig, {"bits": 25}, "bits"),
        (LfqConfig, {"temperature": 0.0}, "temperature"),
    ],
)
def test_impossible_sizes_are_refused(config: Any, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        config(**SIZES | settings)
