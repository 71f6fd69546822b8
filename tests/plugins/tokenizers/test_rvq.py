"""Residual quantisation: greedy by brute force, losses by their formulas, and codes of every level in use."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Codes, Grid, registry
from janiform_plugins.tokenizers.config import RvqConfig
from janiform_plugins.tokenizers.rvq import ResidualQuantizer

TINY = {"image_size": 16, "channels": 8, "groups": 2, "multipliers": (1, 2, 2), "blocks": 1, "latent": 6,
        "vocabulary": 9, "code_width": 3, "depth": 3}  # fmt: skip


def tokenizer(**settings: Any) -> Any:
    torch.manual_seed(0)
    component = registry().find("tokenizer", "rvq")
    return component.load()(RvqConfig(**TINY | settings))


def pixels(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def latents_of(model: Any, pictures: torch.Tensor) -> torch.Tensor:
    return model.quant_conv(model.encoder(pictures)).permute(0, 2, 3, 1).flatten(0, 2)


def greedily(vectors: np.ndarray, books: list[np.ndarray], depth: int) -> tuple[list[list[int]], np.ndarray]:
    """Codes and sums, one vector, one level and one code after the other, in float64."""
    codes, sums = [], np.zeros_like(vectors)
    for row, vector in enumerate(vectors):
        residual, chosen = vector.copy(), []
        for level in range(depth):
            book = books[min(level, len(books) - 1)]
            distances = [float(np.sum((residual - code) ** 2)) for code in book]
            chosen.append(distances.index(min(distances)))
            residual -= book[chosen[-1]]
            sums[row] += book[chosen[-1]]
        codes.append(chosen)
    return codes, sums


@settings(max_examples=30)
@given(
    depth=st.integers(1, 5), width=st.integers(1, 6), vocabulary=st.integers(2, 20), shared=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_each_level_takes_the_code_nearest_to_what_is_left(
    depth: int, width: int, vocabulary: int, shared: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    quantize = ResidualQuantizer(vocabulary, width, depth, shared).double()
    for book in quantize.books:
        torch.nn.init.normal_(book.embedding.weight)
    vectors = torch.randn(15, width, dtype=torch.float64) * 2
    books = [book.embedding.weight.detach().numpy() for book in quantize.books]
    assert len(books) == (1 if shared else depth)
    codes, sums = greedily(vectors.numpy(), books, depth)
    assert quantize(vectors).tolist() == codes
    torch.testing.assert_close(quantize.look_up(torch.tensor(codes)), torch.from_numpy(sums))


@pytest.mark.parametrize("shared", [True, False])
def test_pictures_become_codes_of_its_port_and_again_pictures(shared: bool) -> None:
    model = tokenizer(shared=shared).eval()
    for book in model.quantize.books:
        torch.nn.init.normal_(book.embedding.weight)
    assert model.config.codes() == Codes(vocabulary=9, grid=Grid(4, 4), width=3, depth=3)
    codes = model.encode(pixels())
    assert codes.shape == (3, 16, 3)
    assert codes.dtype == torch.int64
    latents = latents_of(model, pixels())
    books = [book.embedding.weight.detach().double().numpy() for book in model.quantize.books]
    expected, sums = greedily(latents.detach().double().numpy(), books, 3)
    assert codes.flatten(0, 1).tolist() == expected
    torch.testing.assert_close(model.vectors(codes).flatten(0, 1), torch.from_numpy(sums).float(), rtol=1e-4, atol=1e-5)
    assert model.decode(codes).shape == (3, 3, 16, 16)
    half = tokenizer(shared=shared).bfloat16()
    assert half.decode(half.encode(pixels().bfloat16())).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.encode(pixels()), codes)


def test_losses_are_their_formulas_and_figures_those_of_each_level() -> None:
    model = tokenizer(codebook=0.7, commitment=0.3, l1=0.5, l2=2.0)
    for book in model.quantize.books:
        torch.nn.init.normal_(book.embedding.weight)
    losses, figures = model.losses(pixels())
    codes, latents = model.encode(pixels()), latents_of(model, pixels())
    tables = [book.embedding.weight[codes[..., level].flatten()] for level, book in enumerate(model.quantize.books)]
    left = [(latents - sum(tables[: level + 1])).square().mean() for level in range(3)]
    error = model.decode(codes) - pixels()
    expected = {
        "codebook": 0.7 * sum(left) / 3,
        "commitment": 0.3 * sum(left) / 3,
        "l1": 0.5 * error.abs().mean(),
        "l2": 2.0 * error.square().mean(),
    }
    assert losses.keys() == expected.keys()
    for part, loss in losses.items():
        assert loss.count == 3
        torch.testing.assert_close(loss.mean, expected[part], rtol=1e-4, atol=1e-6)
    assert figures.keys() == {"l1", "l2"} | {f"{name}_{n}" for name in ("usage", "perplexity") for n in (1, 2, 3)}
    for level in range(3):
        used = codes[..., level].flatten().bincount(minlength=9) / codes[..., level].numel()
        torch.testing.assert_close(figures[f"usage_{level + 1}"], (used > 0).float().mean())
        torch.testing.assert_close(figures[f"perplexity_{level + 1}"], torch.special.entr(used).sum().exp())


def test_each_loss_teaches_its_own_side() -> None:
    vectors = torch.randn(1, 16, 3, requires_grad=True)
    model = tokenizer()
    quantized = model.quantized(vectors)
    codebooks = [book.embedding.weight for book in model.quantize.books]
    levels = model.quantize.levels(vectors.flatten(0, 1))

    weight, commitment = quantized.losses["commitment"]
    assert weight == 0.25
    (gradient,) = torch.autograd.grad(commitment, vectors, retain_graph=True)
    left = [(vectors.flatten(0, 1) - sum(levels.vectors[: level + 1])).detach() for level in range(3)]
    torch.testing.assert_close(gradient[0], 2 * sum(left) / (3 * 48))
    assert torch.autograd.grad(commitment, codebooks, retain_graph=True, allow_unused=True) == (None,) * 3

    codebook = quantized.losses["codebook"][1]
    assert torch.autograd.grad(codebook, vectors, retain_graph=True, allow_unused=True) == (None,)
    for level, gradient in enumerate(torch.autograd.grad(codebook, codebooks, retain_graph=True)):
        error = (levels.vectors[level] - levels.residuals[level]).detach() * 2 / (3 * 48)
        torch.testing.assert_close(gradient, torch.zeros(9, 3).index_add_(0, levels.codes[:, level], error))

    seed = torch.randn(1, 16, 3)
    (straight,) = torch.autograd.grad(quantized.vectors, vectors, seed)
    torch.testing.assert_close(straight, seed)


@pytest.mark.parametrize("shared", [True, False])
def test_idle_codes_are_seeded_with_what_their_level_has_left(shared: bool) -> None:
    quantize = ResidualQuantizer(20, 2, 3, shared, reseed=2)
    torch.manual_seed(0)
    vectors = torch.randn(400, 2) * 5
    before = quantize.levels(vectors)
    for _ in range(4):
        after = quantize.levels(vectors, reseed=True)
    assert not any(vector.requires_grad for vector in after.residuals)
    for level in range(3):
        used = len(after.codes[:, level].unique())
        assert used > (5 if shared else 14), (level, used)
    errors = [(vectors - sum(levels.vectors)).square().mean() for levels in (before, after)]
    assert errors[1] < (0.5 if shared else 0.02) * errors[0]
    counted = [book.idle for book in quantize.books]
    for level, idle in enumerate(counted):
        drawn = after.codes.flatten() if shared else after.codes[:, level]
        assert (idle[drawn.unique()] == 0).all()
        assert (idle > 0).sum() == 20 - len(drawn.unique())


def test_codes_stay_where_they_are_without_reseeding_and_in_evaluation() -> None:
    for model in (tokenizer().train(), tokenizer(reseed=1).eval()):
        before = [book.embedding.weight.detach().clone() for book in model.quantize.books]
        model.losses(pixels())
        for old, book in zip(before, model.quantize.books, strict=True):
            assert torch.equal(book.embedding.weight, old)
    assert not any("idle" in name for name in tokenizer().state_dict())


def test_the_preset_is_that_of_the_paper() -> None:
    component = registry().find("tokenizer", "rvq")
    codes = component.config(**component.presets["rq-vae-8x8x4"]).codes()
    assert codes == Codes(vocabulary=16_384, grid=Grid(8, 8), width=256, depth=4)
    with pytest.raises(ValueError, match="depth"):
        RvqConfig(**TINY | {"depth": 0})
