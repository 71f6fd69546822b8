"""The tokenizer `scales-vq` against a twin of TokenFlow's multi-scale residual quantisation, and its losses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from janiform import registry
from torch.nn.functional import interpolate

SIDES = (1, 2, 3, 8)
SMALL = {
    "image_size": 16, "channels": 8, "groups": 4, "multipliers": (1, 1), "blocks": 1, "latent": 8, "vocabulary": 24,
    "code_width": 4, "attention": False, "scales": SIDES,
}  # fmt: skip


def built(**settings: Any) -> Any:
    torch.manual_seed(3)
    component = registry().find("tokenizer", "scales-vq")
    module = component.load()(component.config(**SMALL | settings))
    torch.nn.init.normal_(module.quantize.embedding.weight)
    return module.eval()


def test_each_scale_quantises_what_the_coarser_ones_leave() -> None:
    module, pixels = built().double(), torch.rand(3, 3, 16, 16).double() * 2 - 1
    book = module.quantize.embedding.weight.detach()
    residual = module.quant_conv(module.encoder(pixels)).detach()
    f, expected, sums = torch.zeros_like(residual), [], []
    for side in SIDES:
        z = interpolate(residual, (side, side), mode="area").permute(0, 2, 3, 1)
        chosen = (z[..., None, :] - book).square().sum(-1).argmin(-1)
        q = interpolate(book[chosen].permute(0, 3, 1, 2), (SIDES[-1], SIDES[-1]), mode="bicubic")
        f, residual = f + q, residual - q
        expected.append(chosen.flatten(1))
        sums.append(f)
    codes = module.encode(pixels)
    assert torch.equal(codes[..., 0], torch.cat(expected, dim=1))
    stop = 0
    for side, f in zip(SIDES, sums, strict=True):
        stop += side * side
        torch.testing.assert_close(module.decode(codes[:, :stop]), module.decoder(module.post_quant_conv(f)))
    assert codes.unique().numel() > 3


def test_losses_are_those_of_all_partial_sums_and_train_both_sides() -> None:
    module, pixels = built(l1=1.0), torch.rand(2, 3, 16, 16) * 2 - 1
    vectors = module._encode(pixels).detach().transpose(1, 2).unflatten(2, (8, 8))
    codes, f, squares = module.encode(pixels), torch.zeros_like(vectors), []
    for part, side in zip(codes.split([side * side for side in SIDES], dim=1), SIDES, strict=True):
        q = module.vectors(part).transpose(1, 2).unflatten(2, (side, side))
        f = f + interpolate(q, (8, 8), mode="bicubic")
        squares.append(float((f - vectors).square().mean().detach()))
    losses, figures = module.losses(pixels)
    mean = sum(squares) / len(squares)
    assert float(losses["codebook"].mean.detach()) == pytest.approx(mean, rel=1e-6)
    assert float(losses["commitment"].mean.detach()) == pytest.approx(0.25 * mean, rel=1e-6)
    assert 0 < float(figures["usage"]) <= 1
    sum(loss.total for loss in losses.values()).backward()
    assert all(bool(weight.grad.abs().sum() > 0) for weight in module.parameters() if weight.dim() > 1)


def test_idle_codes_move_to_residuals_of_all_scales() -> None:
    module = built(reseed=1).train()
    before = module.quantize.embedding.weight.detach().clone()
    module.losses(torch.rand(4, 3, 16, 16) * 2 - 1)
    assert bool((module.quantize.embedding.weight != before).any(dim=1).all())


@pytest.mark.parametrize(
    ("scales", "sentence"),
    [((1, 2, 4), "scales ends with 4, but the grid has a side of 8 codes"), ((1, 3, 3, 8), "must increase")],
)
def test_scales_that_do_not_fit_the_grid_are_refused(scales: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        registry().find("tokenizer", "scales-vq").config(**SMALL | {"scales": scales})
