"""Split quantisation: each part by brute force in float64, losses by their formulas, and what it refuses."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Codes, Grid, registry
from janiform_plugins.tokenizers.split_vq.config import SplitVqConfig
from janiform_plugins.tokenizers.split_vq.tokenizer import SplitQuantizer
from torch.nn.functional import normalize

TINY = {"image_size": 16, "channels": 8, "groups": 2, "multipliers": (1, 2, 2), "blocks": 1, "latent": 6,
        "vocabulary": 9, "code_width": 6, "depth": 3}  # fmt: skip


def tokenizer(**settings: Any) -> Any:
    torch.manual_seed(0)
    component = registry().find("tokenizer", "split-vq")
    return component.load()(SplitVqConfig(**TINY | settings))


def pixels(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def latents_of(model: Any, pictures: torch.Tensor) -> torch.Tensor:
    return model.quant_conv(model.encoder(pictures)).permute(0, 2, 3, 1).flatten(1, 2)


def by_cosine(vectors: np.ndarray, books: list[np.ndarray]) -> tuple[list[list[int]], np.ndarray]:
    """Codes and vectors, one vector, one part and one code after the other, by the largest cosine."""
    width = vectors.shape[1] // len(books)
    codes, looked_up = [], np.zeros_like(vectors)
    for row, vector in enumerate(vectors):
        chosen = []
        for part, book in enumerate(books):
            place = slice(part * width, (part + 1) * width)
            lengths = [float(np.sqrt(np.sum(code**2))) for code in book]
            cosines = [float(np.sum(vector[place] * code)) / length for code, length in zip(book, lengths, strict=True)]
            chosen.append(cosines.index(max(cosines)))
            looked_up[row, place] = book[chosen[-1]] / lengths[chosen[-1]]
        codes.append(chosen)
    return codes, looked_up


@settings(max_examples=30)
@given(depth=st.integers(1, 5), part=st.integers(2, 5), vocabulary=st.integers(2, 20), seed=st.integers(0, 99))
def test_each_part_takes_the_code_of_the_largest_cosine(depth: int, part: int, vocabulary: int, seed: int) -> None:
    torch.manual_seed(seed)
    quantize = SplitQuantizer(vocabulary, depth * part, depth).double()
    vectors = torch.randn(15, depth * part, dtype=torch.float64) * 2
    books = [book.embedding.weight.detach().numpy() for book in quantize.books]
    codes, looked_up = by_cosine(vectors.numpy(), books)
    assert quantize(vectors).tolist() == codes
    torch.testing.assert_close(quantize.look_up(torch.tensor(codes)), torch.from_numpy(looked_up))


def test_pictures_become_codes_of_its_port_and_again_pictures() -> None:
    model = tokenizer().eval()
    assert model.config.codes() == Codes(vocabulary=9, grid=Grid(4, 4), width=6, depth=3)
    codes = model.encode(pixels())
    assert codes.shape == (3, 16, 3)
    assert codes.dtype == torch.int64
    books = [book.embedding.weight.detach().double().numpy() for book in model.quantize.books]
    expected, looked_up = by_cosine(latents_of(model, pixels()).detach().double().flatten(0, 1).numpy(), books)
    assert codes.flatten(0, 1).tolist() == expected
    torch.testing.assert_close(model.vectors(codes).flatten(0, 1), torch.from_numpy(looked_up).float())
    assert model.decode(codes).shape == (3, 3, 16, 16)
    half = tokenizer().bfloat16()
    assert half.decode(half.encode(pixels().bfloat16())).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model.encode(pixels()), codes)


def entropy_of(vectors: torch.Tensor, book: torch.Tensor) -> torch.Tensor:
    """Mean entropy of the soft choices, minus the entropy of the mean choice; squared distances over 0.01."""
    chosen = (-(vectors[:, None] - book[None]).square().sum(-1) / 0.01).softmax(-1)
    mean = chosen.mean(0)
    return torch.special.entr(chosen).sum(-1).mean() + (mean * (mean + 1e-5).log()).sum()


def test_losses_are_means_over_the_parts_and_figures_those_of_each() -> None:
    model = tokenizer(codebook=0.7, commitment=0.3, entropy=0.2, l1=0.5, l2=2.0)
    losses, figures = model.losses(pixels())
    codes, latents = model.encode(pixels()), latents_of(model, pixels())
    parts = [normalize(part, dim=-1) for part in latents.double().chunk(3, dim=-1)]
    books = [normalize(book.embedding.weight.double(), dim=-1) for book in model.quantize.books]
    apart = [(parts[n] - books[n][codes[..., n]]).square().mean() for n in range(3)]
    spread = [entropy_of(parts[n].flatten(0, 1), books[n]) for n in range(3)]
    error = (model.decode(codes) - pixels()).double()
    expected = {
        "codebook": 0.7 * sum(apart) / 3,
        "commitment": 0.3 * sum(apart) / 3,
        "entropy": 0.2 * sum(spread) / 3,
        "l1": 0.5 * error.abs().mean(),
        "l2": 2.0 * error.square().mean(),
    }
    assert losses.keys() == expected.keys()
    for name, loss in losses.items():
        assert loss.count == 3
        torch.testing.assert_close(loss.mean.double(), expected[name], rtol=1e-4, atol=1e-6)
    assert figures.keys() == {"l1", "l2"} | {f"{name}_{n}" for name in ("usage", "perplexity") for n in (1, 2, 3)}


def test_each_loss_teaches_its_own_side_and_the_decoder_s_gradient_passes_through() -> None:
    vectors = torch.randn(1, 16, 6, requires_grad=True)
    model = tokenizer()
    quantized = model.quantized(vectors)
    codebooks = [book.embedding.weight for book in model.quantize.books]
    commitment, codebook = quantized.losses["commitment"][1], quantized.losses["codebook"][1]
    assert torch.autograd.grad(commitment, codebooks, retain_graph=True, allow_unused=True) == (None,) * 3
    assert torch.autograd.grad(codebook, vectors, retain_graph=True, allow_unused=True) == (None,)
    assert all(gradient.any() for gradient in torch.autograd.grad(codebook, codebooks, retain_graph=True))
    seed = torch.randn(1, 16, 6)
    (straight,) = torch.autograd.grad(quantized.vectors, vectors, seed)
    unit = torch.cat([normalize(part, dim=-1) for part in vectors.chunk(3, dim=-1)], dim=-1)
    (through_the_norms,) = torch.autograd.grad(unit, vectors, seed)
    torch.testing.assert_close(straight, through_the_norms)


def test_idle_codes_of_every_part_move_in_training_alone() -> None:
    model = tokenizer(reseed=1, vocabulary=20)
    for training in (False, True):
        before = [book.embedding.weight.detach().clone() for book in model.quantize.books]
        model.train(training).losses(pixels())
        books = zip(before, model.quantize.books, strict=True)
        moved = [not torch.equal(old, book.embedding.weight) for old, book in books]
        assert moved == [training] * 3


def test_the_preset_is_that_of_the_paper_and_a_width_that_does_not_divide_is_refused() -> None:
    component = registry().find("tokenizer", "split-vq")
    codes = component.config(**component.presets["unitok"]).codes()
    assert codes == Codes(vocabulary=4096, grid=Grid(16, 16), width=64, depth=8)
    with pytest.raises(ValueError, match="code_width 6 does not divide into 4 parts"):
        SplitVqConfig(**TINY | {"depth": 4})
