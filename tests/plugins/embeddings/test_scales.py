"""The embedding `scales` against twins that follow the formulas of VAR and of TokenFlow in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from janiform import Codes, Grid, Hidden, Latents, PortMismatch, registry
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate

SIDES = (1, 2, 3, 5)
SCALES = tuple(Grid(side, side) for side in SIDES)
CODES = Codes(11, SCALES[-1], 6, scales=SCALES)
HIDDEN = Hidden(8, 64, 128, 2, 2, 8)
STOPS = torch.tensor([side * side for side in SIDES]).cumsum(0).tolist()


class Vectors(nn.Module):
    """The vectors of a tokenizer's codes, and the embeddings of a backbone's text."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(64, width)

    def vectors(self, codes: Tensor) -> Tensor:
        return self.table(codes[..., 0])


class Text(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(64, HIDDEN.width)

    def embed(self, ids: Tensor) -> Tensor:
        return self.table(ids)


def built(**settings: Any) -> tuple[Any, Vectors, Text]:
    torch.manual_seed(5)
    component = registry().find("embedding", "scales")
    module = component.load()(component.config(**settings), CODES, HIDDEN).double()
    vectors, text = Vectors(CODES.width).double(), Text().double()
    for part in module.config.borrows:
        module.borrow(vectors if part == "tokenizer" else text)
    return module, vectors, text


def maps(codes: Tensor, vectors: Vectors) -> list[Tensor]:
    """Each scale's vectors [B, D, s, s]."""
    parts = codes.split([side * side for side in SIDES], dim=1)
    return [
        vectors.vectors(part).transpose(1, 2).unflatten(2, (side, side))
        for part, side in zip(parts, SIDES, strict=True)
    ]


def tokenflow(qs: list[Tensor]) -> list[Tensor]:
    """f ← bicubic(f + q_k, size s_{k+1}), kept at scale sizes."""
    f, inputs = torch.zeros_like(qs[0]), []
    for q, side in zip(qs, SIDES[1:], strict=False):
        f = interpolate(f + q, (side, side), mode="bicubic")
        inputs.append(f)
    return inputs


def var(qs: list[Tensor]) -> list[Tensor]:
    """f += bicubic(q_k) at full size; the input of the next scale is its area means."""
    f: Any = 0
    inputs = []
    for q, side in zip(qs, SIDES[1:], strict=False):
        f = f + interpolate(q, (SIDES[-1], SIDES[-1]), mode="bicubic")
        inputs.append(interpolate(f, (side, side), mode="area"))
    return inputs


@pytest.mark.parametrize(("resize", "rule"), [("progressive", tokenflow), ("full", var)])
def test_inputs_of_a_scale_are_those_of_the_papers(resize: str, rule: Any) -> None:
    module, vectors, text = built(resize=resize, layers=2, start=17)
    codes = torch.randint(CODES.vocabulary, (3, CODES.tokens, 1))
    qs = maps(codes, vectors)
    weights = dict(module.named_parameters())
    sums = torch.cat([some.flatten(2).transpose(1, 2) for some in rule(qs)], dim=1)
    mapped = gelu(sums @ weights["layers.0.weight"].T + weights["layers.0.bias"])
    mapped = mapped @ weights["layers.2.weight"].T + weights["layers.2.bias"]
    begin = text.table.weight[17].expand(3, 1, -1)
    level = torch.tensor([number for number, side in enumerate(SIDES) for _ in range(side * side)])
    expected = torch.cat((begin, mapped), dim=1) + module.levels[level] + module.positions
    torch.testing.assert_close(module(codes), expected, rtol=1e-12, atol=1e-12)


def test_a_further_pass_reads_the_sum_with_the_own_codes_of_the_scale() -> None:
    module, vectors, _ = built(levels=False, positions="none")
    codes = torch.randint(CODES.vocabulary, (2, STOPS[2], 1))
    parts = codes.split([side * side for side in SIDES[:3]], dim=1)
    f: Any = 0
    for part, side in zip(parts, SIDES, strict=False):
        if side > 1:
            f = interpolate(f, (side, side), mode="bicubic")
        f = f + vectors.vectors(part).transpose(1, 2).unflatten(2, (side, side))
    expected = module.layers(f.flatten(2).transpose(1, 2))
    torch.testing.assert_close(module.again(codes), expected, rtol=1e-12, atol=1e-12)


def test_the_tokenizer_is_not_trained_through_the_embedding() -> None:
    module, vectors, _ = built()
    module(torch.randint(CODES.vocabulary, (2, CODES.tokens, 1))).square().sum().backward()
    assert vectors.table.weight.grad is None
    assert all(bool(weight.grad.abs().sum() > 0) for weight in module.parameters())
    assert not any(name.startswith("_tokenizer") for name in module.state_dict())


@pytest.mark.parametrize(
    ("settings", "drawn", "sentence"),
    [
        ({}, Codes(11, Grid(4, 4), 6), "needs codes of several scales"),
        ({}, Latents(Grid(4, 4), 6), "needs codes of several scales"),
        ({"start": 64}, CODES, "start 64 is not an id of the backbone's vocabulary of 64"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], drawn: Any, sentence: str) -> None:
    with pytest.raises(PortMismatch, match=sentence):
        registry().find("embedding", "scales").config(**settings).embed(drawn, HIDDEN)


def test_codes_that_end_within_a_scale_are_refused() -> None:
    module, _, _ = built()
    with pytest.raises(ValueError, match="4 codes are not those of whole scales"):
        module(torch.zeros(1, 4, 1, dtype=torch.int64))
