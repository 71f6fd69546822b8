"""Quantised layers multiply by what they say their weight is, which is the nearest that so few bits allow."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from janiform import UsageError, load
from janiform.storage.open import open_model
from janiform.storage.quantize import GROUP, SCHEMES, bytes_saved, quantizable, quantized
from torch import nn

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def made(rows: int, columns: int, dtype: torch.dtype, bias: bool, seed: int) -> nn.Linear:
    torch.manual_seed(seed)
    layer = nn.Linear(columns, rows, bias=bias)
    with torch.no_grad():
        layer.weight[0] = 0  # a row of nothing must not be divided by
        layer.weight[-1] *= 100
    return layer.to(dtype)


@given(
    rows=st.integers(2, 70),
    groups=st.integers(1, 5),
    few=st.integers(1, 20),
    scheme=st.sampled_from(SCHEMES),
    dtype=st.sampled_from(DTYPES),
    bias=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_the_product_is_that_of_the_widened_weight_in_float64(
    rows: int, groups: int, few: int, scheme: str, dtype: torch.dtype, bias: bool, seed: int
) -> None:
    layer = made(rows, groups * GROUP, dtype, bias, seed)
    small = quantized(layer, scheme)
    x = torch.randn(1, few, groups * GROUP).to(dtype)
    scale = small.scale.double().view(rows, -1)
    if scheme == "int8":
        widened = small.codes.double() * scale
    else:
        codes = torch.stack((small.codes & 15, small.codes >> 4), -1).view(rows, groups, GROUP).double()
        widened = (codes * scale[..., None] + small.minimum.double()).flatten(1)
    expected = x.double() @ widened.T + (layer.bias.double() if bias else 0)
    # By the size of what is added up: a sum may come out near zero.
    most = x.double().abs() @ widened.abs().T + 1e-3
    assert ((small(x).double() - expected).abs() / most).max() < 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(small.weight.double(), widened, rtol=4 * torch.finfo(dtype).eps, atol=1e-4)


@given(rows=st.integers(2, 40), groups=st.integers(1, 5), scheme=st.sampled_from(SCHEMES), seed=st.integers(0, 1000))
def test_every_weight_is_the_nearest_of_its_row_or_group(rows: int, groups: int, scheme: str, seed: int) -> None:
    layer = made(rows, groups * GROUP, torch.float32, False, seed)
    small = quantized(layer, scheme)
    if scheme == "int8":
        step = layer.weight.abs().amax(1, keepdim=True) / 127
    else:
        cut = layer.weight.unflatten(1, (-1, GROUP))
        step = ((cut.amax(2) - cut.amin(2)) / 15).repeat_interleave(GROUP, dim=1)
    assert bool(((small.weight - layer.weight).abs() <= step * 0.5001 + 1e-7).all())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_saved_is_what_was_promised(scheme: str, dtype: torch.dtype) -> None:
    layer = made(24, 96, dtype, True, 0)
    small = quantized(layer, scheme)
    whole = sum(tensor.nbytes for tensor in layer.parameters())
    assert sum(tensor.nbytes for tensor in small.buffers()) == whole - bytes_saved(layer, scheme)


def test_layers_over_the_vocabulary_and_of_odd_widths_stay_whole() -> None:
    module = nn.ModuleDict({"a": nn.Linear(64, 8), "out": nn.Linear(64, 50), "odd": nn.Linear(40, 8)})
    assert [name for name, _ in quantizable(module, "int8", 50)] == ["a", "odd"]
    assert [name for name, _ in quantizable(module, "int4", 50)] == ["a"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_is_quantised_as_it_is_read_and_takes_what_it_said(scheme: str, dtype: torch.dtype) -> None:
    said: list[int] = []
    model = open_model("janus-mini", dtype=dtype, quantize=scheme, on_size=said.append)
    assert said == [sum(tensor.nbytes for tensor in {*model.parameters(), *model.buffers()})]
    whole = open_model("janus-mini", dtype=dtype)
    kinds = {name: type(layer).__name__ for name, layer in model.named_modules()}
    linears = [name for name, layer in whole.named_modules() if type(layer) is nn.Linear]
    assert {kinds[name] for name in linears if name.startswith("backbone.")} == {f"I{scheme[1:]}Linear"}
    assert {kinds[name] for name in linears if not name.startswith("backbone.")} == {"Linear"}
    for name in linears:
        if name.startswith("backbone."):
            reference = quantized(whole.get_submodule(name), scheme)
            for key, buffer in reference.named_buffers():
                assert torch.equal(model.get_submodule(name).get_buffer(key), buffer)
    for name, tensor in model.state_dict().items():
        if name in whole.state_dict():
            assert torch.equal(tensor, whole.state_dict()[name])


def test_a_quantised_model_draws_and_answers_and_its_pictures_say_so() -> None:
    model = load("janus-mini", quantize="int8")
    picture = model.generate("a red circle")[0]
    assert model.ask(picture, "what colour is it?")
    assert '"quantize": "int8"' in picture.info["janiform"]
    with pytest.raises(UsageError, match=r"'int3' is not a valid quantisation .*int"):
        load("janus-mini", quantize="int3")


@pytest.mark.parametrize(
    ("only", "built", "left"), [("look", "understanding", "generation"), ("draw", "generation", "understanding")]
)
def test_what_the_other_face_needs_is_not_read(official: Path, only: str, built: str, left: str) -> None:
    sizes: list[int] = []
    model = open_model(official, only=only, on_size=sizes.append)  # type: ignore[arg-type]
    open_model(official, on_size=sizes.append)
    assert sizes[0] < sizes[1]
    paths = {name.partition(".")[0] for name, _ in model.named_parameters()}
    assert paths == {"backbone", built}
    assert left not in paths


def test_what_cannot_be_opened_so_is_said(official: Path) -> None:
    with pytest.raises(UsageError, match="only must be 'look' or 'draw', got 'lok'"):
        load(official, only="lok")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="'parts' and 'only' exclude each other"):
        open_model(official, only="look", parts=["backbone"])
