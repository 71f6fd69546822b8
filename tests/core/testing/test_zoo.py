"""A zoo of broken parts: each check catches what it is for, and says so in a sentence about the part."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from attrs import field, frozen
from janiform import Codes, Features, Grid, Hidden, Logits, Loss, Misfit, attend
from janiform.compose.slots import SLOTS
from janiform.testing import common, conforms, kinds, suite
from janiform.testing.case import Case, _ports
from janiform.testing.suite import run_check
from torch import nn
from torch.nn.functional import cross_entropy


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
        return choose(self(hidden))[:, None]


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
        codes = choose(self(hidden))[:, None]
        for level in range(1, len(self.outs)):
            codes = torch.cat((codes, choose(self.level(hidden, codes, level))[:, None]), dim=1)
        return codes


class LooksAtItsTarget(DeepHead):
    def level(self, hidden, codes, level):
        return super().level(hidden, codes.roll(-1, dims=1), level)


class ForgetsWhatItChose(DeepHead):
    def sample(self, hidden, choose):
        first = choose(self(hidden))[:, None]
        more = [choose(self.level(hidden, torch.zeros_like(first).expand(-1, 9), level)) for level in (1, 2)]
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
        return choose(2 * self(hidden))[:, None]


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


class SeesEverything(Backbone):
    def attended(self, q, k, v, mask):
        return nn.functional.scaled_dot_product_attention(q, k, v)


class IgnoresItsCache(Backbone):
    def forward(self, embeddings, positions, mask, cache=None):
        if cache is not None:
            cache.advance(embeddings.shape[1])
        return super().forward(embeddings, positions, mask)


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
    ports = _ports(SLOTS[kind].takes, 3, depths=(depth,))
    return Case(component, component.config(), ports, 3)  # type: ignore[arg-type]


ZOO = [
    ("encoder", OneTokenMore, common.gives_the_shape_it_declares, r"declares features \[B, 4, 6\].* gave \[3, 5, 6\]"),
    ("encoder", OnTheProcessor, common.is_the_same_on_the_meta_device, "table is put on a device by name"),
    ("encoder", ReadsItsWeights, common.is_the_same_on_the_meta_device, "cannot be built on the meta device"),
    ("encoder", HidesItsState, common.keeps_its_state, "register what it needs"),
    ("encoder", AlwaysDrops, common.is_deterministic, "draws random numbers in eval mode"),
    ("encoder", NormsTheBatch, common.treats_each_row_alone, "a row of a batch differs from the row alone"),
    ("encoder", HasAnIdleWeight, common.learns_everywhere, r"no gradient reaches unused.bias, unused.weight"),
    ("encoder", Detaches, common.learns_everywhere, "carries no gradient"),
    ("encoder", ThawsItself, common.learns_everywhere, "a frozen part learned; leave requires_grad to the stage"),
    ("encoder", StaysInFloat32, common.computes_in_bfloat16, "cast to bfloat16 it gives torch.float32"),
    ("encoder", LosesPrecision, common.computes_in_bfloat16, r"in bfloat16 it is .* away from float32"),
    ("encoder", MixesTypes, common.computes_in_bfloat16, "RuntimeError: .* while it was seen whether it computes in"),
    ("encoder", BreaksItsGraph, common.compiles_whole_where_it_says_so, "declares that it compiles, but"),
    ("tokenizer", CountsFromOne, kinds.encodes_codes_of_its_port, r"gave codes \d .. 5, of 5"),
    ("tokenizer", DecodesSmaller, common.gives_the_shape_it_declares, r"so \[3, 3, 8, 8\], but gave \[3, 3, 4, 4\]"),
    ("tokenizer", EncodesTheBatch, kinds.encodes_codes_of_its_port, "other codes beside others than alone"),
    ("tokenizer", HasNarrowVectors, kinds.gives_vectors_of_its_width, r"vectors are \[3, 4, 2\], not \[3, 4, 3\]"),
    ("tokenizer", LosesAMean, kinds.loses_as_sums_and_counts, "the loss 'l2' is Tensor, not a janiform.Loss"),
    ("head", AveragesItsLoss, kinds.loses_what_a_reference_loses, r"loses .* nats where its logits lose"),
    ("head", CountsItsRowsTwice, kinds.loses_what_a_reference_loses, "counts 12 of 6 codes"),
    ("head", LosesInBits, kinds.loses_what_a_reference_loses, r"loses .* nats where its logits lose"),
    ("head", ChoosesForItself, kinds.samples_what_is_chosen, r"asked to choose from logits \[\]"),
    ("head", LooksAtItsTarget, kinds.loses_what_a_reference_loses, r"loses .* nats where its logits lose"),
    ("head", ForgetsWhatItChose, kinds.loses_what_a_reference_loses, r"loses .* nats where its logits lose"),
    ("head", CountsPositions, kinds.loses_what_a_reference_loses, r"counts 6 of 18 codes"),
    ("head", CallsOneThingAndSamplesAnother, kinds.loses_what_a_reference_loses, "are not those that it gives when"),
    ("head", BorrowsForGood, common.gives_the_shape_it_declares, "keeps the backbone among its own weights"),
    ("adapter", DropsAChannel, common.gives_the_shape_it_declares, "the config declares features"),
    ("embedding", ForgetsTheDepth, common.gives_the_shape_it_declares, "the config declares features"),
    ("embedding", CountsFromTheFirst, kinds.embeds_codes_one_by_one, "code 1 of a picture has another vector alone"),
    ("backbone", SeesEverything, kinds.looks_back_only, "hangs on a later one"),
    ("backbone", IgnoresItsCache, kinds.continues_from_its_cache, "with a cache it differs"),
    ("backbone", CountsItsOwnPositions, kinds.does_not_mind_padding, "padding on the left changes it"),
    ("backbone", ForgetsTheVocabulary, kinds.reads_and_writes_text, "11 logits, declared 12"),
]


@pytest.mark.parametrize(
    ("kind", "beast", "check", "sentence"), ZOO, ids=lambda value: getattr(value, "__name__", None)
)
def test_each_check_catches_what_it_is_for(kind: str, beast: Any, check: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=rf"^{kind} 'beast'.*{sentence}"):
        run_check(check, case(kind, beast))


def test_levels_that_are_averaged_do_not_add_counts() -> None:
    ports = {"hidden": Hidden(8, 64, 128, 2, 2, 8), "codes": Codes(5, Grid(2, 2), 4, depth=2)}
    component = SimpleNamespace(kind="head", name="beast", config=DeepConfig, load=lambda: AveragesItsLevels)
    with pytest.raises(AssertionError, match="two parts of a batch do not add up to that of the whole"):
        kinds.loses_what_a_reference_loses(Case(component, DeepConfig(), ports, 3))  # type: ignore[arg-type]


def test_every_check_has_its_beast() -> None:
    elsewhere = {common.has_a_config_that_is_data}
    checks = {*common.COMMON, *(check for of_kind in kinds.OF_KIND.values() for check in of_kind)}
    assert {check for _, _, check, _ in ZOO} | elsewhere == checks


def test_a_part_that_refuses_everything_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    @frozen(kw_only=True)
    class Refuses(AdapterConfig):
        def adapt(self, source: Features, hidden: Hidden) -> Features:
            raise Misfit("the moon is wrong")

    beast = case("adapter", Adapter, Refuses)
    monkeypatch.setattr(Case, "made", lambda *_: beast)
    monkeypatch.setattr(suite, "registry", lambda: SimpleNamespace(find=lambda *_: beast.component))
    tests = conforms("adapter", "beast", {})()
    with pytest.raises(AssertionError, match="beast': refuses whatever it is given, the last time because: the moon"):
        tests.test_is_deterministic()


@pytest.mark.parametrize("kind", SOUND)
def test_sound_parts_pass_every_check(kind: str) -> None:
    for check in (*common.COMMON, *kinds.OF_KIND.get(kind, ())):
        check(case(kind, SOUND[kind]))


def test_a_sound_head_of_several_levels_passes_every_check() -> None:
    for check in (*common.COMMON, *kinds.OF_KIND["head"]):
        check(case("head", DeepHead))


def test_configs_are_compared() -> None:
    with pytest.raises(AssertionError, match="not equal to one that is made of the same settings"):
        common.has_a_config_that_is_data(case("encoder", Encoder, UnequalConfig))


def test_a_config_that_imports_torch_is_found() -> None:
    # The zoo itself imports torch, as an author's config module may by mistake.
    component = SimpleNamespace(kind="encoder", name="beast", config=SimpleNamespace(__module__="torch.nn"))
    with pytest.raises(AssertionError, match=r"importing torch\.nn imports torch, which makes every command slow"):
        common.registers_without_torch(Case(component, None, {}, 0))  # type: ignore[arg-type]
