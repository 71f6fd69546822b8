"""A zoo of parts with losses of their own: what is wrong with each is said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from attrs import frozen
from janiform import Features, Hidden, KVCache, Loss, Mask, attend
from janiform.components.kinds import KINDS
from janiform.testing.auxiliary import gives_auxiliary_losses
from janiform.testing.case import Case, _ports
from janiform.testing.suite import run_check
from torch import Tensor, nn


@frozen(kw_only=True)
class BackboneConfig:
    def hidden(self) -> Hidden:
        return Hidden(8, 12, 64, 1, 2, 4)


class Layer(nn.Module):
    """Attention, and a gate whose openness is a loss; it gives that for each position."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.gate = nn.Linear(8, 24), nn.Linear(8, 1)

    def forward(self, x: Tensor, mask: Mask, cache: KVCache | None) -> tuple[Tensor, Tensor]:
        q, k, v = self.qkv(x).unflatten(-1, (6, 4)).transpose(1, 2).chunk(3, dim=1)
        if cache is not None:
            k, v = cache.append(0, k, v)
            cache.advance(x.shape[1])
        opened = self.gate(x).sigmoid()
        return x + opened * attend(q, k, v, mask).transpose(1, 2).flatten(2), opened[..., 0]


class Backbone(nn.Module):
    """A sound one; the others change one thing each."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(12, 8), nn.Embedding(64, 8)
        self.layers = nn.ModuleList([Layer()])
        self.kept: list[Loss] = []

    def forward(self, embeddings: Tensor, positions: Tensor, mask: Mask, cache: KVCache | None = None) -> Tensor:
        x, opened = self.layers[0](embeddings + self.places(positions), mask, cache)
        if self.keeps():
            documents = mask.declared_documents
            self.kept.append(self.loss(opened, torch.zeros_like(positions) if documents is None else documents))
        return x

    def keeps(self) -> bool:
        return self.training and torch.is_grad_enabled()

    def loss(self, opened: Tensor, documents: Tensor) -> Loss:
        real = (documents >= 0).float()
        return Loss((opened.square() * real).sum(), real.sum())

    def embed(self, ids: Tensor) -> Tensor:
        return self.table(ids)

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden @ self.table.weight.T

    def auxiliary_weights(self) -> Any:
        return {"open": 0.1}

    def auxiliary_losses(self) -> Any:
        kept, self.kept = self.kept, []
        return {"open": sum(kept[1:], kept[0])} if kept else {}


class NamesNothing(Backbone):
    auxiliary_weights = None


class GivesNamesOnly(Backbone):
    def auxiliary_weights(self):
        return ["open"]


class NamesAnother(Backbone):
    def auxiliary_weights(self):
        return {"closed": 0.1}


class GivesTensors(Backbone):
    def auxiliary_losses(self):
        return {name: loss.total for name, loss in super().auxiliary_losses().items()}


class NeverForgets(Backbone):
    def auxiliary_losses(self):
        return {"open": sum(self.kept[1:], self.kept[0])} if self.kept else {}


class DividesByNothing(Backbone):
    def loss(self, opened, documents):
        return Loss(opened.sum() / 0, super().loss(opened, documents).count)


class CountsNothing(Backbone):
    def loss(self, opened, documents):
        return Loss(super().loss(opened, documents).total, torch.tensor(0.0))


class DetachesIt(Backbone):
    def loss(self, opened, documents):
        return super().loss(opened.detach(), documents)


class KeepsWithoutGradients(Backbone):
    def keeps(self):
        return self.training


class KeepsInEval(Backbone):
    def keeps(self):
        return torch.is_grad_enabled()


class TakesTheMean(Backbone):
    def loss(self, opened, documents):
        loss = super().loss(opened, documents)
        return Loss(loss.mean, loss.count)


class MultipliesMeans(Backbone):
    """The usual form of a balance loss: a product of two means over the batch."""

    def loss(self, opened, documents):
        real = documents >= 0
        chosen = (opened[real] > 0.5).float().mean()
        return Loss(len(opened[real]) * (1 + chosen) * opened[real].mean(), real.sum().float())


class CountsPadding(Backbone):
    def loss(self, opened, documents):
        return Loss(opened.square().sum(), torch.tensor(float(opened.numel())))


class AsksTheMask(Backbone):
    """A mask says nothing of padding on the right, which no attention needs to know."""

    def forward(self, embeddings, positions, mask, cache=None):
        x, opened = self.layers[0](embeddings + self.places(positions), mask, cache)
        if self.keeps():
            self.kept.append(
                self.loss(opened, torch.zeros_like(positions) if mask.documents is None else mask.documents)
            )
        return x


class MultipliesMeansOfRows(Backbone):
    def loss(self, opened, documents):
        real = (documents >= 0).float()
        lengths = real.sum(1)
        squares = ((opened * real).sum(1) / lengths).square()
        return Loss((lengths * squares).sum(), lengths.sum())


class KeepingLayer(Layer):
    """Recomputed, it appends once more."""

    def __init__(self, kept: list[Loss]) -> None:
        super().__init__()
        self.kept = kept

    def forward(self, x, mask, cache):
        x, opened = super().forward(x, mask, cache)
        if self.training and torch.is_grad_enabled():
            real = (
                torch.ones_like(opened) if mask.declared_documents is None else (mask.declared_documents >= 0).float()
            )
            self.kept.append(Loss((opened.square() * real).sum(), real.sum()))
        return x.sin(), opened


class KeepsInItsBlock(Backbone):
    def __init__(self, config):
        super().__init__(config)
        self.layers = nn.ModuleList([KeepingLayer(self.kept)])

    def keeps(self):
        return False

    def auxiliary_losses(self):
        kept = list(self.kept)
        self.kept.clear()
        return {"open": sum(kept[1:], kept[0])} if kept else {}


ZOO = [
    (NamesNothing, "has auxiliary_losses, but no auxiliary_weights"),
    (GivesNamesOnly, r"auxiliary_weights gives \['open'\], expected names with weights"),
    (NamesAnother, r"auxiliary_weights names \['closed'\], but .* gives \['open'\]"),
    (GivesTensors, "the loss 'open' is Tensor, not a janiform.Loss"),
    (NeverForgets, "gives the same losses twice"),
    (DividesByNothing, "the loss 'open' is not finite"),
    (CountsNothing, "the loss 'open' counts nothing"),
    (DetachesIt, "the loss 'open' has no gradient"),
    (KeepsWithoutGradients, "of a pass without gradients"),
    (KeepsInEval, "of a pass in eval mode"),
    (TakesTheMean, "differs between a batch and its rows one by one"),
    (MultipliesMeans, "differs between a batch and its rows one by one"),
    (CountsPadding, "depends on padding on the left"),
    (AsksTheMask, "depends on padding on the right"),
    (MultipliesMeansOfRows, "differs between two documents in a row and each alone"),
    (KeepsInItsBlock, "gives auxiliary losses again after a backward pass that recomputes blocks"),
]


def case(kind: str, module: Any, config: Any) -> Case:
    component = SimpleNamespace(kind=kind, name="beast", config=config, load=lambda: module)
    return Case(component, config(), _ports(KINDS[kind].takes, 3, depths=(1,)), 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(("beast", "sentence"), ZOO, ids=lambda value: getattr(value, "__name__", None))
def test_each_is_caught(beast: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=rf"^backbone 'beast'.*{sentence}"):
        run_check(gives_auxiliary_losses, case("backbone", beast, BackboneConfig))


def test_a_sound_backbone_passes() -> None:
    gives_auxiliary_losses(case("backbone", Backbone, BackboneConfig))


@frozen(kw_only=True)
class AdapterConfig:
    def adapt(self, source: Features, hidden: Hidden) -> Features:
        return Features(source.tokens, hidden.width, source.grid)


class Adapter(nn.Module):
    """It keeps the size of what it gives, per picture."""

    def __init__(self, config: AdapterConfig, source: Features, hidden: Hidden) -> None:
        super().__init__()
        self.map = nn.Linear(source.width, hidden.width)
        self.kept: list[Loss] = []

    def forward(self, features: Tensor) -> Tensor:
        vectors: Tensor = self.map(features)
        if self.training and torch.is_grad_enabled():
            self.kept.append(Loss(vectors.square().sum(), torch.tensor(float(len(features)))))
        return vectors

    def auxiliary_weights(self) -> dict[str, float]:
        return {"size": 1.0}

    def auxiliary_losses(self) -> dict[str, Loss]:
        kept, self.kept = self.kept, []
        return {"size": sum(kept[1:], kept[0])} if kept else {}


class AveragesTheBatch(Adapter):
    def forward(self, features: Tensor) -> Tensor:
        vectors = super().forward(features)
        self.kept = [Loss(loss.mean, loss.count) for loss in self.kept]
        return vectors


def test_other_parts_count_pictures() -> None:
    gives_auxiliary_losses(case("adapter", Adapter, AdapterConfig))
    with pytest.raises(AssertionError, match="differs between a batch and its rows"):
        gives_auxiliary_losses(case("adapter", AveragesTheBatch, AdapterConfig))
