"""Low-rank adapters: nothing changes at first, then W + alpha / r · B A, and merging leaves the ordinary layer."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from janiform import JaniformError
from janiform.model.lora import adaptable, adapters_of, attach, linear_layers, merge, names_of
from janiform.recipe import Lora
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, width)
        self.first = nn.Linear(width, out)
        self.blocks = nn.ModuleList(nn.Linear(out, out, bias=False) for _ in range(2))
        self.attention = nn.MultiheadAttention(out, 1, batch_first=True)
        self.head = nn.Linear(width, 7, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.first(input=x))
        for block in self.blocks:
            y = y + torch.tanh(block(y))
        return y


def adapted(net: nn.Module, *on: str, rank: int = 2, alpha: float = 3.0, dropout: float = 0.0) -> None:
    lora = Lora(on=on, rank=rank, alpha=alpha, dropout=dropout)
    attach(adaptable({"net": net}, lora, (), {}), lora)


def learn(net: nn.Module) -> None:
    for adapter in adapters_of(net).values():
        nn.init.normal_(adapter.b)


def by_hand(net: Net, weights: dict[str, Tensor], x: Tensor) -> Tensor:
    bias = net.first.bias.detach().double()
    y = torch.tanh(x @ weights["first"].T + bias)
    for index in range(2):
        y = y + torch.tanh(y @ weights[f"blocks.{index}"].T)
    return y


@settings(max_examples=15, deadline=None)
@given(some.integers(2, 6), some.integers(2, 6), some.integers(1, 2), some.floats(0.5, 8), some.integers(0, 99))
def test_outputs_and_gradients_are_those_of_the_sum_of_the_matrices(
    width: int, out: int, rank: int, alpha: float, seed: int
) -> None:
    torch.manual_seed(seed)
    net, x = Net(width, out), torch.randn(3, 4, width)
    plain = net(x)
    names = set(net.state_dict())
    adapted(net, "net.first", "net.blocks", rank=rank, alpha=alpha)
    assert torch.equal(net(x), plain)
    learn(net)
    adapters = adapters_of(net)
    assert set(net.state_dict()) - names == set(names_of(adapters))
    net.requires_grad_(False)
    for adapter in adapters.values():
        adapter.requires_grad_(True)

    twins = {
        path: [matrix.detach().double().requires_grad_() for matrix in (adapter.a, adapter.b)]
        for path, adapter in adapters.items()
    }
    whole = {
        path: net.get_submodule(path).weight.detach().double() + alpha / rank * b @ a  # type: ignore[operator]
        for path, (a, b) in twins.items()
    }
    expected, found = by_hand(net, whole, x.double()), net(x)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)
    found.sum().backward()
    expected.sum().backward()
    for path, adapter in adapters.items():
        for matrix, twin in zip((adapter.a, adapter.b), twins[path], strict=True):
            assert matrix.grad is not None
            torch.testing.assert_close(matrix.grad.double(), twin.grad, rtol=1e-3, atol=1e-4)
    assert {name for name, p in net.named_parameters() if p.grad is not None} == set(names_of(adapters))

    # In float64 only a wrong merge changes the outputs; in float32 each layer multiplies the rounding of those before.
    exact = copy.deepcopy(net).double()
    before = exact(x.double())
    merge(exact)
    torch.testing.assert_close(exact(x.double()), before, rtol=1e-11, atol=1e-11)

    learned = merge(net)
    assert set(net.state_dict()) == names
    assert not adapters_of(net)
    torch.testing.assert_close(net(x).double(), expected, rtol=1e-4, atol=1e-5)
    for path, weight in whole.items():
        layer: Any = net.get_submodule(path)
        torch.testing.assert_close(layer.weight.double(), weight.detach(), rtol=1e-6, atol=1e-6)
        assert learned[path].update.shape == weight.shape


def test_dropout_is_on_the_adapters_inputs_and_in_training_only() -> None:
    torch.manual_seed(0)
    net, x = Net(4, 4), torch.randn(2, 4)
    adapted(net, "net.first", dropout=0.9)
    learn(net)
    net.train()
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))


def test_weights_that_others_use_too_are_no_layers_of_their_own() -> None:
    assert set(linear_layers({"net": Net(4, 4)})) == {"net.first", "net.blocks.0", "net.blocks.1"}


@pytest.mark.parametrize(
    ("lora", "place", "said"),
    [
        (Lora(on=("net.head",)), "on", "selector 'net.head' matches no linear layer"),
        (
            Lora(on=("net.blocks.1",), rank=5),
            "rank",
            "exceeds the width of net.blocks.1, where 4 is the full rank",
        ),
        (Lora(on=("net.first", "net.blocks"), rank=2), "on", "net.blocks.0 would be trained in full by `train` and"),
    ],
)
def test_layers_that_cannot_have_adapters_are_refused(lora: Lora, place: str, said: str) -> None:
    with pytest.raises(JaniformError) as caught:
        adaptable({"net": Net(4, 4)}, lora, ["net.blocks.0.weight", "net.first.bias"], {})
    (problem,) = caught.value.problems
    assert problem.path == place
    assert said in problem.message


def test_a_shared_part_is_named_by_either_path() -> None:
    found = adaptable(
        {"owner.part": nn.Linear(3, 3)}, Lora(on=("other.part",), rank=1), (), {"other.part": "owner.part"}
    )
    assert set(found) == {"owner.part"}
