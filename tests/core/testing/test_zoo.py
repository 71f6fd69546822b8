"""A zoo of broken parts: each check catches what it is for, and says so in a sentence about the part."""

from __future__ import annotations

import os
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from attrs import field, frozen
from janiform import Codes, Features, Grid, Hidden, KVCache, Logits, Loss, Mask, PortMismatch, attend
from janiform.components.kinds import KINDS
from janiform.testing import backbones, common, conforms, kinds, latent_tokenizers, scales, suite, tokenizers, wholes
from janiform.testing.case import Case, _ports
from janiform.testing.suite import run_check
from torch import nn
from torch.nn.functional import cross_entropy, pad


def to_pixels(picture: Any) -> torch.Tensor:
    return torch.full((3, 8, 8), 0.5)


@frozen(kw_only=True)
class EncoderConfig:
    width: int = field(default=6, metadata={"help": "Of the features."})

    def features(self) -> Features:
        return Features(4, self.width, Grid(2, 2))

    def transform(self) -> Any:
        return to_pixels


class Encoder(nn.Module):
    """A sound one; the animals of the zoo change one thing each."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, config.width, 4, stride=4)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.patches(pixels).flatten(2).transpose(1, 2)


class OneTokenMore(Encoder):
    def forward(self, pixels):
        features = super().forward(pixels)
        return torch.cat((features, features[:, :1]), dim=1)


class DrawsInPython(Encoder):
    def forward(self, pixels):
        return super().forward(pixels) * random.uniform(0.9, 1.1)


class DropsInPython(Encoder):
    def forward(self, pixels):
        features = super().forward(pixels)
        return features * 0.5 if self.training and random.random() < 1e-9 else features


class DrawsInNumpy(Encoder):
    def forward(self, pixels):
        return super().forward(pixels) + float(np.random.normal()) / 10


class DrawsItsWeightsInNumpy(Encoder):
    def __init__(self, config):
        super().__init__(config)
        self.patches.bias.data += torch.as_tensor(np.random.normal(size=config.width)).float()


OF_THE_MODULE = torch.Generator().manual_seed(1)


class HasAGenerator(Encoder):
    def forward(self, pixels):
        return super().forward(pixels) + torch.randn(1, generator=OF_THE_MODULE)


class DropsByItsGenerator(Encoder):
    def forward(self, pixels):
        features = super().forward(pixels)
        return features * torch.rand(1, generator=OF_THE_MODULE) if self.training else features


class DropsByAnotherOfItsGenerators(Encoder):
    def __init__(self, config):
        super().__init__(config)
        self.chance = np.random.default_rng(3)

    def forward(self, pixels):
        features = super().forward(pixels)
        return features * self.chance.uniform() if self.training else features


class OnTheProcessor(Encoder):
    def __init__(self, config):
        super().__init__(config)
        self.register_buffer("table", torch.zeros(3, device="cpu"))


class ReadsItsWeights(Encoder):
    def __init__(self, config):
        super().__init__(config)
        self.norm = float(self.patches.weight.norm())


class HidesItsState(Encoder):
    def __init__(self, config):
        super().__init__(config)
        self.shift = torch.randn(config.width) if not HidesItsState.made else torch.zeros(config.width)
        HidesItsState.made = True

    made = False

    def forward(self, pixels):
        return super().forward(pixels) + self.shift


class DrawsAPlainTensor(Encoder):
    """Every instance draws the same numbers from the same seed, so only other seeds can tell."""

    def __init__(self, config):
        super().__init__(config)
        self.shift = torch.randn(config.width)

    def forward(self, pixels):
        return super().forward(pixels) + self.shift.to(pixels)


class AveragesInTraining(Encoder):
    """Makes state while it is trained, in a plain attribute."""

    def __init__(self, config):
        super().__init__(config)
        self.mean = 0.0

    def forward(self, pixels):
        features = super().forward(pixels)
        if self.training:
            self.mean = self.mean + features.mean().detach()
        return features - self.mean


class MakesItsWeightInTheFirstForward(Encoder):
    def forward(self, pixels):
        if not hasattr(self, "scale"):
            self.scale = nn.Parameter(torch.ones(pixels.shape[-1]))
        return super().forward(pixels * self.scale)


class IsLazy(Encoder):
    def __init__(self, config):
        super().__init__(config)
        self.out = nn.LazyLinear(config.width)

    def forward(self, pixels):
        return self.out(super().forward(pixels))


class ChangesItsInput(Encoder):
    def forward(self, pixels):
        return super().forward(pixels.clamp_(-0.5, 0.5))


class RenamesInTraining(Encoder):
    def train(self, mode=True):
        if mode and not hasattr(self, "extra"):
            self.extra = nn.Linear(2, 2)
        return super().train(mode)


class DividesByTheDeviation(Encoder):
    def forward(self, pixels):
        return super().forward((pixels - pixels.mean()) / pixels.std(dim=(1, 2, 3), keepdim=True))


class CountsInFloat64(Encoder):
    def forward(self, pixels):
        return super().forward(pixels) + torch.zeros(1, dtype=torch.float64, device=pixels.device)


class CountsInFloat64UnderAutocast(Encoder):
    def forward(self, pixels):
        features = super().forward(pixels)
        return features.double() if torch.is_autocast_enabled("cpu") else features


class RaisesWhatNobodyCatches(Encoder):
    def forward(self, pixels):
        raise type("Odd", (BaseException,), {})("boom")


class Asserts(Encoder):
    def forward(self, pixels):
        assert pixels.shape[0] > 9


class KeepsItsFirstMean(Encoder):
    """Normalises all pictures by what it saw first."""

    mean = None

    def forward(self, pixels):
        if self.mean is None:
            self.mean = float(pixels.mean())
        return super().forward(pixels - self.mean)


class CountsInEval(Encoder):
    def __init__(self, config):
        super().__init__(config)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, pixels):
        self.calls += 1
        return super().forward(pixels)


class AlwaysDrops(Encoder):
    def forward(self, pixels):
        return nn.functional.dropout(super().forward(pixels), 0.5, training=True)


class NormsTheBatch(Encoder):
    def forward(self, pixels):
        features = super().forward(pixels)
        return features - features.mean(0, keepdim=True)


class HasAnIdleWeight(Encoder):
    def __init__(self, config):
        super().__init__(config)
        self.unused = nn.Linear(2, 2)


class Detaches(Encoder):
    def forward(self, pixels):
        return super().forward(pixels).detach()


class ThawsItself(Encoder):
    def forward(self, pixels):
        self.requires_grad_(True)
        return super().forward(pixels)


class StaysInFloat32(Encoder):
    def forward(self, pixels):
        return super().forward(pixels).float()


class LosesPrecision(Encoder):
    def forward(self, pixels):
        return super().forward(pixels) + 1000 - 1000


class MixesTypes(Encoder):
    def forward(self, pixels):
        features = super().forward(pixels)
        return torch.zeros(features.shape, dtype=pixels.dtype).index_add(0, torch.arange(len(pixels)), features)


class BreaksItsGraph(Encoder):
    compiles = True

    def forward(self, pixels):
        features = super().forward(pixels)
        print(float(features.sum()), end="")
        return features


@frozen(kw_only=True, eq=False)
class UnequalConfig:
    def features(self) -> Features:
        return Features(4, 6, Grid(2, 2))


@frozen(kw_only=True)
class TokenizerConfig:
    def codes(self) -> Codes:
        return Codes(5, Grid(2, 2), 3)

    def transform(self) -> Any:
        return to_pixels


class Tokenizer(nn.Module):
    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.book = nn.Parameter(torch.randn(5, 3))

    def encode(self, pixels):
        vectors = nn.functional.avg_pool2d(pixels, 4).flatten(2).transpose(1, 2)
        return torch.cdist(vectors, self.book.expand(len(vectors), -1, -1)).argmin(-1, keepdim=True)

    def decode(self, codes):
        return self.vectors(codes).transpose(1, 2).unflatten(2, (2, 2)).repeat_interleave(4, 2).repeat_interleave(4, 3)

    def vectors(self, codes):
        return self.book[codes].sum(2)

    def losses(self, pixels):
        error = (self.decode(self.encode(pixels)) - pixels).square()
        return {"l2": Loss(error.sum(), torch.tensor(float(error.numel())))}, {}


class CountsFromOne(Tokenizer):
    def encode(self, pixels):
        return super().encode(pixels) + 1


class DecodesSmaller(Tokenizer):
    def decode(self, codes):
        return super().decode(codes)[..., ::2, ::2]


class EncodesTheBatch(Tokenizer):
    def encode(self, pixels):
        return (super().encode(pixels) + len(pixels)) % 5


class HasNarrowVectors(Tokenizer):
    def vectors(self, codes):
        return super().vectors(codes)[..., :2]


class LeavesItsRange(Tokenizer):
    """Only for a picture of one colour."""

    def encode(self, pixels):
        return super().encode(pixels) + 5 * (pixels.flatten(1).std(1) == 0)[:, None, None]


class LeavesItsRangeForBlue(Tokenizer):
    def encode(self, pixels):
        blue = (pixels[:, 2] > 0.99) & (pixels[:, 1] < -0.99) & (pixels[:, 0] < -0.99)
        return super().encode(pixels) + 5 * blue.flatten(1).all(1)[:, None, None]


class HasAnotherTable(Tokenizer):
    def __init__(self, config):
        super().__init__(config)
        self.other = nn.Parameter(torch.randn(5, 3))

    def vectors(self, codes):
        return self.other[codes].sum(2)

    def decode(self, codes):
        vectors = self.book[codes].sum(2)
        return vectors.transpose(1, 2).unflatten(2, (2, 2)).repeat_interleave(4, 2).repeat_interleave(4, 3)


class LooksUpTheNext(HasAnotherTable):
    def vectors(self, codes):
        return self.book[(codes + 1) % 5].sum(2) + 0 * self.other.sum()


class NormalisesItsVectorsAlone(HasAnotherTable):
    def vectors(self, codes):
        return nn.functional.normalize(self.book, dim=-1)[codes].sum(2)


class TurnsItsVectors(HasAnotherTable):
    def vectors(self, codes):
        return self.book[codes].sum(2).flip(1)


class LosesASumOfMeans(Tokenizer):
    def losses(self, pixels):
        error = (self.decode(self.encode(pixels)) - pixels).square()
        return {"l2": Loss(error.mean(), torch.tensor(float(error.numel())))}, {}


class CountsOne(Tokenizer):
    def losses(self, pixels):
        error = (self.decode(self.encode(pixels)) - pixels).square()
        return {"l2": Loss(error.sum(), torch.tensor(1.0))}, {}


class CountsInInts(Tokenizer):
    def losses(self, pixels):
        losses, figures = super().losses(pixels)
        return {name: Loss(loss.total, int(loss.count)) for name, loss in losses.items()}, figures


class LosesByPicture(Tokenizer):
    def losses(self, pixels):
        losses, figures = super().losses(pixels)
        return {name: Loss(loss.total.expand(len(pixels)), loss.count) for name, loss in losses.items()}, figures


class GivesNoFigures(Tokenizer):
    def losses(self, pixels):
        return super().losses(pixels)[0]


class LosesAMean(Tokenizer):
    def losses(self, pixels):
        return {"l2": (self.decode(self.encode(pixels)) - pixels).square().mean()}, {}


@frozen(kw_only=True)
class HeadConfig:
    def predict(self, hidden: Hidden, codes: Codes) -> Logits:
        return Logits(codes.vocabulary, codes.depth)


class Head(nn.Module):
    def __init__(self, config: HeadConfig, hidden: Hidden, codes: Codes) -> None:
        super().__init__()
        self.out = nn.Linear(hidden.width, codes.vocabulary)

    def forward(self, hidden):
        return self.out(hidden)

    def loss(self, hidden, codes):
        return Loss(cross_entropy(self(hidden), codes[:, 0], reduction="sum"), torch.tensor(float(len(codes))))

    def sample(self, hidden, choose):
        return choose(self(hidden), 0)[:, None]


class AveragesItsLoss(Head):
    def loss(self, hidden, codes):
        return Loss(cross_entropy(self(hidden), codes[:, 0]), torch.tensor(float(len(codes))))


class LosesInBits(Head):
    def loss(self, hidden, codes):
        loss = super().loss(hidden, codes)
        return Loss(loss.total / 0.6931, loss.count)


class CountsItsRowsTwice(Head):
    def loss(self, hidden, codes):
        loss = super().loss(hidden, codes)
        return Loss(loss.total, loss.count * 2)


@frozen(kw_only=True)
class DeepConfig:
    def predict(self, hidden: Hidden, codes: Codes) -> Logits:
        return Logits(codes.vocabulary, codes.depth)


class AveragesItsLevels(Head):
    """Of several codes a position, so that only sums of parts can tell."""

    def loss(self, hidden, codes):
        levels = [cross_entropy(self(hidden), codes[:, level]) for level in range(codes.shape[1])]
        return Loss(torch.stack(levels).mean(), torch.tensor(float(codes.numel())))


class ChoosesForItself(Head):
    def sample(self, hidden, choose):
        return self(hidden).argmax(-1, keepdim=True)


class ReturnsTheLikeliest(Head):
    def sample(self, hidden, choose):
        choose(self(hidden), 0)
        return self(hidden).argmax(-1, keepdim=True)


class DeepHead(nn.Module):
    """Each level from the hidden state and from the code before it."""

    def __init__(self, config: HeadConfig, hidden: Hidden, codes: Codes) -> None:
        super().__init__()
        self.outs = nn.ModuleList(nn.Linear(hidden.width, codes.vocabulary) for _ in range(codes.depth))
        self.table = nn.Embedding(codes.vocabulary, hidden.width)

    def forward(self, hidden):
        return self.outs[0](hidden)

    def level(self, hidden, codes, level):
        return self.outs[level](hidden + self.table(codes[:, level - 1])) if level else self(hidden)

    def loss(self, hidden, codes):
        logits = [self.level(hidden, codes, level) for level in range(len(self.outs))]
        total = cross_entropy(torch.cat(logits), codes.T.flatten(), reduction="sum")
        return Loss(total, torch.tensor(float(codes.numel())))

    def sample(self, hidden, choose):
        codes = choose(self(hidden), 0)[:, None]
        for level in range(1, len(self.outs)):
            codes = torch.cat((codes, choose(self.level(hidden, codes, level), level)[:, None]), dim=1)
        return codes


class LooksAtItsTarget(DeepHead):
    def level(self, hidden, codes, level):
        return super().level(hidden, codes.roll(-1, dims=1), level)


class ForgetsWhatItChose(DeepHead):
    def sample(self, hidden, choose):
        first = choose(self(hidden), 0)[:, None]
        more = [choose(self.level(hidden, torch.zeros_like(first).expand(-1, 9), level), level) for level in (1, 2)]
        return torch.cat((first, torch.stack(more, dim=1)), dim=1)


class CountsPositions(DeepHead):
    def loss(self, hidden, codes):
        return Loss(super().loss(hidden, codes).total, torch.tensor(float(len(codes))))


class CallsOneThingAndSamplesAnother(Head):
    def forward(self, hidden):
        return super().forward(hidden) - 1

    def loss(self, hidden, codes):
        return Loss(cross_entropy(self(hidden), codes[:, 0], reduction="sum"), torch.tensor(float(len(codes))))

    def sample(self, hidden, choose):
        return choose(2 * self(hidden), 0)[:, None]


class BorrowsForGood(Head):
    def borrow(self, backbone):
        self.backbone = backbone


@frozen(kw_only=True)
class BackboneConfig:
    def hidden(self) -> Hidden:
        return Hidden(8, 12, 64, 1, 2, 4)


class Backbone(nn.Module):
    """One layer of attention, which knows positions by what is added for them."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.table = nn.Embedding(12, 8)
        self.places = nn.Embedding(64, 8)
        self.qkv = nn.Linear(8, 24)

    def forward(self, embeddings, positions, mask, cache=None):
        x = embeddings + self.places(positions)
        q, k, v = self.qkv(x).unflatten(-1, (6, 4)).transpose(1, 2).chunk(3, dim=1)
        if cache is not None:
            k, v = cache.append(0, k, v)
            cache.advance(x.shape[1])
        return x + self.attended(q, k, v, mask).transpose(1, 2).flatten(2)

    def attended(self, q, k, v, mask):
        return attend(q, k, v, mask)

    def embed(self, ids):
        return self.table(ids)

    def logits(self, hidden):
        return hidden @ self.table.weight.T


class DeclaresAnIdleBlock(Backbone):
    """The weights of its block are used, and its forward is not called."""

    def blocks(self):
        return [self.qkv, self.table]


class DeclaresAStranger(Backbone):
    def blocks(self):
        return [nn.Linear(8, 8)]


class DeclaresABlockTwice(Backbone):
    def blocks(self):
        return [self.qkv, self.qkv]


class DeclaresABlockInABlock(Backbone):
    def __init__(self, config):
        super().__init__(config)
        self.qkv = nn.Sequential(self.qkv)

    def blocks(self):
        return [self.qkv, self.qkv[0]]


class ListsAnIdleModule(Backbone):
    def __init__(self, config):
        super().__init__(config)
        self.layers = nn.ModuleList([nn.Linear(8, 8)])


class SeesEverything(Backbone):
    def attended(self, q, k, v, mask):
        return nn.functional.scaled_dot_product_attention(q, k, v)


class SeesEverythingBehindANorm(SeesEverything):
    """What is added to all elements of an embedding changes nothing behind a norm."""

    def forward(self, embeddings, positions, mask, cache=None):
        normed = nn.functional.layer_norm(embeddings, (8,))
        return super().forward(normed, torch.zeros_like(positions), mask, cache)


class IgnoresItsCache(Backbone):
    def forward(self, embeddings, positions, mask, cache=None):
        if cache is not None:
            cache.advance(embeddings.shape[1])
        return super().forward(embeddings, positions, mask)


class CopiesTheFirstRow(KVCache):
    def take(self, rows, length, filled=None):
        return super().take(None if rows is None else torch.zeros_like(rows), length, filled)


class MixesUpRowsOfItsCache(Backbone):
    def new_cache(self, rows, length, dtype, device):
        return CopiesTheFirstRow(1, rows, 2, length, 4, dtype, device)


class CountsPaddingInItsCache(Backbone):
    """With a cache it attends to padding as well, which a prompt of one length does not show."""

    def forward(self, embeddings, positions, mask, cache=None):
        return super().forward(embeddings, positions, mask if cache is None else Mask.causal(), cache)


class IgnoresFullBlocks(Backbone):
    def attended(self, q, k, v, mask):
        return attend(q, k, v, mask if mask.documents is None else Mask(mask.documents))


class SaysItIgnoresFullBlocks(IgnoresFullBlocks):
    full_blocks = False


class IgnoresFullBlocksOfPackedRows(IgnoresFullBlocks):
    def attended(self, q, k, v, mask):
        packed = mask.documents is not None and bool(mask.documents.max() > 0)
        return super().attended(q, k, v, mask) if packed else attend(q, k, v, mask)


class IgnoresFullBlocksOfPrompts(Backbone):
    def forward(self, embeddings, positions, mask, cache=None):
        if cache is not None and mask.documents is not None:
            mask = Mask(mask.documents)
        return super().forward(embeddings, positions, mask, cache)


class HasOneFullBlock(Backbone):
    def attended(self, q, k, v, mask):
        if mask.blocks is not None and int(mask.blocks.max()) > int(mask.blocks[mask.blocks > 0].min()):
            mask = Mask(mask.documents, torch.where(mask.blocks == 1, 1, 0))
        return attend(q, k, v, mask)


class AdvancesTwice(Backbone):
    def forward(self, embeddings, positions, mask, cache=None):
        states = super().forward(embeddings, positions, mask, cache)
        if cache is not None:
            cache.advance(embeddings.shape[1])
        return states


class KeepsItsLastState(Backbone):
    """A shift of tokens, whose last embedding is kept in the module from call to call."""

    def forward(self, embeddings, positions, mask, cache=None):
        earlier = torch.cat((torch.zeros_like(embeddings[:, :1]), embeddings[:, :-1]), dim=1)
        if cache is not None:
            if cache.filled:
                earlier = torch.cat((self.last, earlier[:, 1:]), dim=1)
            self.last = embeddings[:, -1:].clone()
        return super().forward(embeddings, positions, mask, cache) + earlier * (positions > 0)[..., None]


class GivesLogitsInFloat64(Backbone):
    def logits(self, hidden):
        return super().logits(hidden).double()


class GivesLogitsInFloat64UnderAutocast(Backbone):
    def logits(self, hidden):
        logits = super().logits(hidden)
        return logits.double() if torch.is_autocast_enabled("cpu") else logits


class EmbedsInFloat64(Backbone):
    def embed(self, ids):
        return super().embed(ids).double()


class AddsToItsInput(Backbone):
    def forward(self, embeddings, positions, mask, cache=None):
        embeddings += self.places(positions)
        return super().forward(embeddings, positions, mask, cache)


class CarriesItsStateOn(Backbone):
    """A running sum, as of a recurrent layer, that is not reset where a document begins."""

    def forward(self, embeddings, positions, mask, cache=None):
        return super().forward(embeddings, positions, mask, cache) + embeddings.cumsum(1)


class CountsItsOwnPositions(Backbone):
    def forward(self, embeddings, positions, mask, cache=None):
        start = 0 if cache is None else cache.filled
        own = start + torch.arange(embeddings.shape[1], device=embeddings.device)
        return super().forward(embeddings, own.expand(embeddings.shape[:2]), mask, cache)


class ForgetsTheVocabulary(Backbone):
    def logits(self, hidden):
        return super().logits(hidden)[..., :-1]


@frozen(kw_only=True)
class AdapterConfig:
    def adapt(self, source: Features, hidden: Hidden) -> Features:
        return Features(source.tokens, hidden.width, source.grid)


class Adapter(nn.Module):
    def __init__(self, config: AdapterConfig, source: Features, hidden: Hidden) -> None:
        super().__init__()
        self.map = nn.Linear(source.width, hidden.width)

    def forward(self, features):
        return self.map(features)


class MixesItsTokens(Adapter):
    def forward(self, features):
        return super().forward(features + features.mean(1, keepdim=True))


class MixesLongPictures(Adapter):
    """The sizes that are drawn have at most 16 tokens."""

    def forward(self, features):
        return super().forward(features + features.mean(1, keepdim=True) if features.shape[1] > 16 else features)


class LooksFarBack(Adapter):
    """A causal convolution with a large dilation: only later tokens have one to look back at."""

    def forward(self, features):
        earlier = pad(features, (0, 0, 20, 0))[:, : features.shape[1]]
        return super().forward(features + earlier)


class NormsTheBatchInTraining(Adapter):
    def __init__(self, config, source, hidden):
        super().__init__(config, source, hidden)
        self.norm = nn.BatchNorm1d(source.width)

    def forward(self, features):
        return super().forward(self.norm(features.transpose(1, 2)).transpose(1, 2))


@frozen(kw_only=True)
class RefusesOneToken(AdapterConfig):
    def adapt(self, source: Features, hidden: Hidden) -> Features:
        if source.tokens == 1:
            raise PortMismatch("it mixes tokens, so there must be several")
        return super().adapt(source, hidden)


class DropsAChannel(Adapter):
    def forward(self, features):
        return super().forward(features)[..., 1:]


@frozen(kw_only=True)
class EmbeddingConfig:
    def embed(self, codes: Codes, hidden: Hidden) -> Features:
        return Features(codes.tokens, 6, codes.grid)


class Embedding(nn.Module):
    def __init__(self, config: EmbeddingConfig, codes: Codes, hidden: Hidden) -> None:
        super().__init__()
        self.table = nn.Embedding(codes.vocabulary, 6)

    def forward(self, codes, first=0):
        return self.table(codes).sum(2)


class ForgetsTheDepth(Embedding):
    def forward(self, codes, first=0):
        return self.table(codes)


class CountsFromTheFirst(Embedding):
    """Adds a position to each code, of the codes that it is given and not of the picture."""

    def forward(self, codes, first=0):
        return super().forward(codes) + torch.arange(codes.shape[1])[:, None]


class CountsItsCalls(Embedding):
    """Right while a picture is embedded from its first code on."""

    calls = 0

    def forward(self, codes, first=0):
        alone = codes.shape[1] == 1
        places = torch.arange(codes.shape[1], device=codes.device) + (self.calls if alone else first)
        self.calls += alone
        return super().forward(codes) + 0.1 * places.to(self.table.weight)[:, None]


def to_colours(picture: Any) -> torch.Tensor:
    return torch.tensor(np.asarray(picture.resize((8, 8))) / 127.5 - 1).float().permute(2, 0, 1)


@frozen(kw_only=True)
class ColouredConfig(TokenizerConfig):
    def transform(self) -> Any:
        return to_colours


CONFIGS = {
    "adapter": AdapterConfig,
    "embedding": EmbeddingConfig,
    "encoder": EncoderConfig,
    "tokenizer": TokenizerConfig,
    "head": HeadConfig,
    "backbone": BackboneConfig,
}
SOUND = {
    "adapter": Adapter,
    "embedding": Embedding,
    "encoder": Encoder,
    "tokenizer": Tokenizer,
    "head": Head,
    "backbone": Backbone,
}


def case(kind: str, module: Any, config: Any = None) -> Case:
    component = SimpleNamespace(kind=kind, name="beast", config=config or CONFIGS[kind], load=lambda: module)
    depth = 3 if isinstance(module, type) and issubclass(module, DeepHead) else 1
    ports = _ports(KINDS[kind].takes, 3, depths=(depth,))
    return Case(component, component.config(), ports, 3)  # type: ignore[arg-type]


ZOO = [
    ("encoder", OneTokenMore, common.gives_the_shape_it_declares, r"declares features \[B, 4, 6\].* gave \[3, 5, 6\]"),
    ("encoder", OnTheProcessor, common.is_the_same_on_the_meta_device, "table is created on a named device"),
    ("encoder", ReadsItsWeights, common.is_the_same_on_the_meta_device, "cannot be built on the meta device"),
    ("encoder", HidesItsState, common.keeps_its_state, "register what it needs"),
    ("encoder", DrawsAPlainTensor, common.keeps_its_state, "other outputs of `forward` by .*register what it needs"),
    ("encoder", AveragesInTraining, common.keeps_its_state, "other outputs of `forward` by .*register what it needs"),
    ("encoder", MakesItsWeightInTheFirstForward, common.keeps_its_state, "scale is made in the first `forward`"),
    ("encoder", MakesItsWeightInTheFirstForward, common.computes_in_bfloat16, "scale is made in the first `forward`"),
    ("encoder", IsLazy, common.gives_the_shape_it_declares, "out.weight, out.bias gets its shape in the first forward"),
    ("encoder", ChangesItsInput, common.is_deterministic, "`forward` changes its input in place"),
    ("encoder", ChangesItsInput, common.gives_gradients_to_every_parameter, "`forward` changes its input in place"),
    ("encoder", RenamesInTraining, common.keeps_its_state, r"other names in or after training mode \(extra"),
    ("encoder", RaisesWhatNobodyCatches, common.is_deterministic, r"Odd: boom \(.*test_zoo.py:\d+\)"),
    ("encoder", Asserts, common.is_deterministic, r"AssertionError: .*\(.*test_zoo.py:\d+\)"),
    ("encoder", KeepsItsFirstMean, common.is_deterministic, "another output after a call with other inputs"),
    ("encoder", CountsInEval, common.is_deterministic, "a call in eval mode changes calls of its state"),
    (
        "encoder",
        RenamesInTraining,
        common.keeps_the_names_of_its_state,
        r"other names in training mode \(extra.bias, extra.weight\)",
    ),
    (
        "encoder",
        DividesByTheDeviation,
        common.gives_finite_outputs_for_flat_inputs,
        "for a black picture `forward` gives values that are not finite",
    ),
    ("encoder", CountsInFloat64, common.gives_the_shape_it_declares, "in float32 `forward` gives torch.float64"),
    (
        "encoder",
        CountsInFloat64UnderAutocast,
        common.computes_in_bfloat16,
        "under autocast `forward` gives torch.float64, expected bfloat16 or float32",
    ),
    ("encoder", AlwaysDrops, common.is_deterministic, "draws random numbers in eval mode"),
    ("encoder", DrawsInPython, common.is_deterministic, "`forward` draws from Python's `random`, which neither"),
    ("encoder", DrawsInPython, common.treats_rows_independently, "`forward` draws from Python's `random`"),
    ("encoder", DrawsInNumpy, common.keeps_its_state, "`forward` draws from `numpy.random`, which neither"),
    ("encoder", DrawsItsWeightsInNumpy, common.keeps_its_state, "the factory draws from `numpy.random`"),
    ("encoder", HasAGenerator, common.is_deterministic, "`forward` gives another output .* a random generator of its"),
    ("encoder", HasAGenerator, common.keeps_its_state, "`forward` gives another output .* a random generator of its"),
    ("encoder", HasAGenerator, common.treats_rows_independently, "`forward` gives another output for the same input"),
    ("encoder", DropsByItsGenerator, common.resumes_in_training, "so a resumed run differs; draw from torch's default"),
    ("encoder", DropsByAnotherOfItsGenerators, common.resumes_in_training, "so a resumed run differs; draw from torch"),
    ("encoder", DropsInPython, common.resumes_in_training, "`forward` draws from Python's `random`"),
    (
        "encoder",
        NormsTheBatch,
        common.treats_rows_independently,
        "the output of a row changes by .* with the rest of the batch",
    ),
    (
        "encoder",
        HasAnIdleWeight,
        common.gives_gradients_to_every_parameter,
        r"no gradient reaches unused.bias, unused.weight",
    ),
    ("encoder", Detaches, common.gives_gradients_to_every_parameter, "its output has no gradient"),
    (
        "encoder",
        ThawsItself,
        common.gives_gradients_to_every_parameter,
        "a frozen part got gradients; leave requires_grad to the stage",
    ),
    ("encoder", StaysInFloat32, common.computes_in_bfloat16, "cast to bfloat16 it gives torch.float32"),
    ("encoder", LosesPrecision, common.computes_in_bfloat16, r"in bfloat16 its output differs from float32 by"),
    ("encoder", MixesTypes, common.computes_in_bfloat16, "RuntimeError: .* in the check that it computes in"),
    ("encoder", BreaksItsGraph, common.compiles_without_graph_breaks_where_declared, "declares that it compiles, but"),
    ("tokenizer", CountsFromOne, tokenizers.encodes_codes_of_its_port, r"gave codes \d .. 5, but its vocabulary has 5"),
    (
        "tokenizer",
        DecodesSmaller,
        common.gives_the_shape_it_declares,
        r"hence \[3, 3, 8, 8\], but the module gave \[3, 3, 4, 4\]",
    ),
    (
        "tokenizer",
        EncodesTheBatch,
        tokenizers.encodes_codes_of_its_port,
        "the codes of a picture depend on the rest of the batch",
    ),
    ("tokenizer", HasNarrowVectors, tokenizers.gives_vectors_of_its_width, r"vectors are \[3, 4, 2\], not \[3, 4, 3\]"),
    (
        "tokenizer",
        LeavesItsRange,
        tokenizers.encodes_codes_of_its_port,
        r"gave codes \d .. \d for a black picture, but its vocabulary has 5",
    ),
    (
        "tokenizer",
        HasAnotherTable,
        tokenizers.decodes_from_its_vectors,
        "`vectors` reads elements of other for a code that `decode` does not read",
    ),
    (
        "tokenizer",
        LooksUpTheNext,
        tokenizers.decodes_from_its_vectors,
        "`vectors` reads elements of book for a code that `decode` does not read",
    ),
    (
        "tokenizer",
        NormalisesItsVectorsAlone,
        tokenizers.decodes_from_its_vectors,
        "`vectors` does not depend on the scale of book, but `decode` does",
    ),
    (
        "tokenizer",
        TurnsItsVectors,
        tokenizers.decodes_from_its_vectors,
        "changes the vectors at other positions",
    ),
    (
        "tokenizer",
        LosesASumOfMeans,
        tokenizers.gives_losses_as_sums_and_counts,
        "the total of the loss 'l2' is not twice as large for twice the pictures; it is a mean",
    ),
    (
        "tokenizer",
        CountsOne,
        tokenizers.gives_losses_as_sums_and_counts,
        "the count of the loss 'l2' is 1 for twice the pictures, expected 2",
    ),
    (
        "tokenizer",
        LosesAMean,
        tokenizers.gives_losses_as_sums_and_counts,
        "the loss 'l2' is Tensor, not a janiform.Loss",
    ),
    (
        "head",
        AveragesItsLoss,
        kinds.gives_the_cross_entropy_of_its_logits,
        r"`loss` is .* nats, but the cross-entropy of its logits is",
    ),
    ("head", CountsItsRowsTwice, kinds.gives_the_cross_entropy_of_its_logits, "counts 12 codes instead of 6"),
    (
        "head",
        LosesInBits,
        kinds.gives_the_cross_entropy_of_its_logits,
        r"`loss` is .* nats, but the cross-entropy of its logits is",
    ),
    ("head", ChoosesForItself, kinds.samples_the_chosen_codes, r"called `choose` with logits of shapes \[\]"),
    ("head", ReturnsTheLikeliest, kinds.samples_the_chosen_codes, "gave other codes than `choose` chose"),
    (
        "head",
        LooksAtItsTarget,
        kinds.gives_the_cross_entropy_of_its_logits,
        r"`loss` is .* nats, but the cross-entropy of its logits is",
    ),
    (
        "head",
        ForgetsWhatItChose,
        kinds.gives_the_cross_entropy_of_its_logits,
        r"`loss` is .* nats, but the cross-entropy of its logits is",
    ),
    ("head", CountsPositions, kinds.gives_the_cross_entropy_of_its_logits, r"counts 6 codes instead of 18"),
    (
        "head",
        CallsOneThingAndSamplesAnother,
        kinds.gives_the_cross_entropy_of_its_logits,
        "differ from those that `forward` gives",
    ),
    ("head", BorrowsForGood, common.gives_the_shape_it_declares, "has the backbone among its own weights"),
    (
        "adapter",
        MixesItsTokens,
        kinds.maps_each_token_alone_where_one_is_accepted,
        "mixes tokens: of [0-9]+, token 0 alone gives another vector than among all tokens",
    ),
    (
        "adapter",
        MixesLongPictures,
        kinds.maps_each_token_alone_where_one_is_accepted,
        "mixes tokens: of 64, token 0 alone gives another vector than among all tokens",
    ),
    (
        "adapter",
        LooksFarBack,
        kinds.maps_each_token_alone_where_one_is_accepted,
        "mixes tokens: of 64, token 20 alone gives another vector than among all tokens",
    ),
    (
        "adapter",
        NormsTheBatchInTraining,
        kinds.maps_each_token_alone_where_one_is_accepted,
        "in training mode the vector of token 0 depends on other tokens",
    ),
    ("adapter", DropsAChannel, common.gives_the_shape_it_declares, "the config declares features"),
    ("embedding", ForgetsTheDepth, common.gives_the_shape_it_declares, "the config declares features"),
    ("embedding", CountsItsCalls, kinds.embeds_each_code_alone, "code 3 of a picture has another vector alone"),
    ("embedding", CountsFromTheFirst, kinds.embeds_each_code_alone, "has another vector alone"),
    (
        "tokenizer",
        CountsInInts,
        tokenizers.gives_losses_as_sums_and_counts,
        "the count of .* is int, expected a scalar",
    ),
    ("tokenizer", LosesByPicture, tokenizers.gives_losses_as_sums_and_counts, r"the total of .* is \[4\], expected a"),
    ("tokenizer", GivesNoFigures, common.keeps_its_state, "`losses` gives dict, expected a tuple of two dicts"),
    (
        "backbone",
        IgnoresFullBlocksOfPackedRows,
        backbones.attends_within_full_blocks,
        "does not depend on its last, in the second document of a row",
    ),
    (
        "backbone",
        IgnoresFullBlocksOfPrompts,
        backbones.attends_within_full_blocks,
        "with full blocks in its prompt its outputs with a cache differ",
    ),
    ("backbone", HasOneFullBlock, backbones.attends_within_full_blocks, "of two full blocks, the second is not full"),
    ("backbone", AdvancesTwice, backbones.continues_from_its_cache, "its cache has 4 positions after 2 were given"),
    (
        "backbone",
        KeepsItsLastState,
        backbones.continues_from_its_cache,
        "another conversation, with a cache of its own",
    ),
    ("backbone", GivesLogitsInFloat64, common.gives_the_shape_it_declares, "in float32 `logits` gives torch.float64"),
    (
        "backbone",
        GivesLogitsInFloat64UnderAutocast,
        common.computes_in_bfloat16,
        "under autocast `logits` gives torch.float64",
    ),
    ("backbone", EmbedsInFloat64, backbones.embeds_ids_and_gives_logits, "in float32 `embed` gives torch.float64"),
    ("backbone", AddsToItsInput, backbones.runs_its_blocks, "`forward` changes its input in place"),
    ("backbone", SeesEverything, backbones.attends_to_earlier_positions_only, "depends on a later one"),
    ("backbone", SeesEverythingBehindANorm, backbones.attends_to_earlier_positions_only, "depends on a later one"),
    ("backbone", IgnoresItsCache, backbones.continues_from_its_cache, "with a cache its outputs differ"),
    ("backbone", MixesUpRowsOfItsCache, backbones.copies_its_cache, "gives other outputs after `take`"),
    (
        "backbone",
        CountsPaddingInItsCache,
        backbones.continues_with_padding_on_the_left,
        "with padding on the left and a cache its outputs differ by",
    ),
    (
        "backbone",
        IgnoresFullBlocks,
        backbones.attends_within_full_blocks,
        "the first position of a full block does not depend on its last",
    ),
    (
        "backbone",
        CarriesItsStateOn,
        backbones.keeps_packed_documents_apart,
        "document 2 of two in a row differs by .* from the document alone",
    ),
    ("backbone", CountsItsOwnPositions, backbones.ignores_padding, "padding on the left changes its outputs"),
    ("backbone", DeclaresAnIdleBlock, backbones.runs_its_blocks, "its forward does not call table"),
    ("backbone", DeclaresAStranger, backbones.runs_its_blocks, "gives a Linear that is not a module in it"),
    ("backbone", DeclaresABlockTwice, backbones.runs_its_blocks, "gives qkv twice"),
    ("backbone", DeclaresABlockInABlock, backbones.runs_its_blocks, "gives qkv.0, which is within qkv"),
    ("backbone", ListsAnIdleModule, backbones.runs_its_blocks, "its forward does not call layers.0"),
    (
        "backbone",
        ForgetsTheVocabulary,
        backbones.embeds_ids_and_gives_logits,
        "gives 11 logits, but declares a vocabulary of 12",
    ),
]


@pytest.mark.parametrize(
    ("kind", "beast", "check", "sentence"), ZOO, ids=lambda value: getattr(value, "__name__", None)
)
def test_each_check_catches_what_it_is_for(kind: str, beast: Any, check: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=rf"^{kind} 'beast'.*{sentence}"):
        run_check(check, case(kind, beast))


def test_codes_are_checked_for_pictures_of_every_colour() -> None:
    with pytest.raises(AssertionError, match=r"gave codes \d .. \d for a blue picture, but its vocabulary has 5"):
        tokenizers.encodes_codes_of_its_port(case("tokenizer", LeavesItsRangeForBlue, ColouredConfig))
    tokenizers.encodes_codes_of_its_port(case("tokenizer", Tokenizer, ColouredConfig))


def test_levels_that_are_averaged_do_not_add_counts() -> None:
    ports = {"hidden": Hidden(8, 64, 128, 2, 2, 8), "codes": Codes(5, Grid(2, 2), 4, depth=2)}
    component = SimpleNamespace(kind="head", name="beast", config=DeepConfig, load=lambda: AveragesItsLevels)
    with pytest.raises(AssertionError, match="two parts of a batch do not add up to that of the whole"):
        kinds.gives_the_cross_entropy_of_its_logits(Case(component, DeepConfig(), ports, 3))  # type: ignore[arg-type]


def test_what_a_part_says_of_itself_is_believed() -> None:
    backbones.attends_within_full_blocks(case("backbone", SaysItIgnoresFullBlocks))
    kinds.maps_each_token_alone_where_one_is_accepted(case("adapter", MixesItsTokens, RefusesOneToken))


def test_every_check_has_its_beast() -> None:
    of_latents = KINDS["tokenizer"].port_checks["latents"]  # their zoo is in test_zoo_latents.py
    elsewhere = {common.keeps_its_config_through_a_recipe, *(getattr(latent_tokenizers, name) for name in of_latents)}
    # Those of whole pictures have their zoo in test_zoo_wholes.py and test_zoo_masked.py, those of scales in
    # test_zoo_scales.py.
    for module in (wholes, scales):
        elsewhere |= {check for check in vars(module).values() if getattr(check, "__module__", "") == module.__name__}
    checks = {*common.COMMON_CHECKS, *(check for of_kind in kinds.KIND_CHECKS.values() for check in of_kind)}
    assert {check for _, _, check, _ in ZOO} | elsewhere == checks


def test_a_part_that_refuses_everything_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    @frozen(kw_only=True)
    class Refuses(AdapterConfig):
        def adapt(self, source: Features, hidden: Hidden) -> Features:
            raise PortMismatch("the moon is wrong")

    beast = case("adapter", Adapter, Refuses)
    monkeypatch.setattr(Case, "draw", lambda *_: beast)
    monkeypatch.setattr(suite, "registry", lambda: SimpleNamespace(find=lambda *_: beast.component))
    tests = conforms("adapter", "beast", {})()
    with pytest.raises(AssertionError, match="beast': refuses all inputs; the last reason was: the moon"):
        tests.test_is_deterministic()


@pytest.mark.parametrize("kind", SOUND)
def test_sound_parts_pass_every_check(kind: str) -> None:
    for check in (*common.COMMON_CHECKS, *kinds.checks_of(kind, CONFIGS[kind])):
        check(case(kind, SOUND[kind]))


def test_a_sound_head_of_several_levels_passes_every_check() -> None:
    for check in (*common.COMMON_CHECKS, *kinds.KIND_CHECKS["head"]):
        check(case("head", DeepHead))


def test_configs_are_compared() -> None:
    with pytest.raises(AssertionError, match="not equal to one made from the same settings"):
        common.keeps_its_config_through_a_recipe(case("encoder", Encoder, UnequalConfig))


def test_a_config_that_imports_torch_is_found() -> None:
    # The zoo itself imports torch, as an author's config module may by mistake.
    component = SimpleNamespace(kind="encoder", name="beast", config=SimpleNamespace(__module__="torch.nn"))
    with pytest.raises(AssertionError, match=r"importing torch\.nn imports torch, which makes every command slow"):
        common.registers_without_torch(Case(component, None, {}, 0))  # type: ignore[arg-type]


def test_a_failure_is_one_message(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pytest shows ends with the sentence: no frames of the kit, no falsifying example, and no shrinking."""
    beast = case("encoder", MixesTypes)
    drawn = []
    monkeypatch.setattr(Case, "draw", lambda *_: drawn.append(1) or beast)
    monkeypatch.setattr(suite, "registry", lambda: SimpleNamespace(find=lambda *_: beast.component))
    tests = conforms("encoder", "beast", {}, examples=20)()
    with pytest.raises(AssertionError) as caught:
        tests.test_computes_in_bfloat16()
    assert not caught.value.pytrace  # type: ignore[attr-defined]
    assert not getattr(caught.value, "__notes__", [])
    assert "test_zoo.py:" in str(caught.value)  # the line of the part, not of the library below it
    assert len(drawn) <= 2  # hypothesis runs a failing example once more


def test_a_part_that_compiles_passes_for_many_sizes() -> None:
    """Torch gives up on a function that it compiled for eight sizes, which is no fault of the part."""

    class Compiles(Encoder):
        compiles = True

    for width in range(3, 24):
        component = SimpleNamespace(kind="encoder", name="beast", config=EncoderConfig, load=lambda: Compiles)
        config = EncoderConfig(width=width)
        common.compiles_without_graph_breaks_where_declared(Case(component, config, {}, 3))  # type: ignore[arg-type]


def test_a_config_that_cannot_be_imported_is_found() -> None:
    component = SimpleNamespace(kind="encoder", name="beast", config=SimpleNamespace(__module__="no_such_beast"))
    with pytest.raises(AssertionError, match=r"importing no_such_beast fails: ModuleNotFoundError: No module named"):
        common.registers_without_torch(Case(component, None, {}, 0))  # type: ignore[arg-type]


def test_a_slow_import_is_found(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_beast.py").write_text(
        "import time\nclock = time.perf_counter\ntime.perf_counter = lambda: clock() + 5\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    component = SimpleNamespace(kind="encoder", name="beast", config=SimpleNamespace(__module__="slow_beast"))
    with pytest.raises(AssertionError, match=r"importing slow_beast takes .* s, and every command waits for it"):
        common.registers_without_torch(Case(component, None, {}, 0))  # type: ignore[arg-type]
