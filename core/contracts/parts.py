"""Contracts of the parts of a model: tilings, encoders, tokenizers, embeddings, adapters, backbones and heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ..ports import Codes, CodesOrLatents, Features, Grid, Hidden, Latents, Predicted

if TYPE_CHECKING:
    from numpy import ndarray
    from PIL.Image import Image
    from torch import Tensor, nn

    from ..loss import Loss
    from ..sequence.cache import Cache
    from ..sequence.corruption import Corrupted
    from ..sequence.mask import Mask
    from ..sequence.places import PlaceNoise, PlaceSampling
    from ..sequence.routes import Routes
    from ..sequence.tiles import Tiles

__all__ = [
    "Adapter",
    "AdapterConfig",
    "AuxiliaryLosses",
    "Backbone",
    "BackboneConfig",
    "Borrower",
    "BorrowerConfig",
    "Choose",
    "Embedding",
    "EmbeddingConfig",
    "Encoder",
    "EncoderConfig",
    "Head",
    "HeadConfig",
    "ImageTransform",
    "LatentTokenizer",
    "LatentTokenizerConfig",
    "Layered",
    "PictureHead",
    "PlaceHead",
    "RegressionHead",
    "Tiling",
    "TilingConfig",
    "Tokenizer",
    "TokenizerConfig",
]

ImageTransform = Callable[["Image"], "Tensor"]
"""A PIL picture of any size in mode RGB to a float32 tensor [3, height, width], normalised for the part."""


class Choose(Protocol):
    """Guidance and sampling, which a sampler gives to ``Head.sample``."""

    def __call__(self, logits: Tensor, level: int) -> Tensor:
        """Logits [R, V] of a code's ``level``, counted from 0, to one code for each of R rows, [R]."""


class TilingConfig(Protocol):
    """Kind ``tiling``; factory(config) -> Tiling."""

    @property
    def most(self) -> int:
        """Largest number of pictures that one picture is cut into."""


class Tiling(Protocol):
    """Cuts large pictures into several of the encoder's size. Runs in data workers, without torch."""

    def cut(self, picture: Image | ndarray, size: Grid, background: tuple[int, int, int]) -> Tiles:
        """Cut a picture, RGB or uint8 [h, w, 3], into crops of ``size`` pixels.

        A tile that is the whole picture, such as an overview, must be the picture itself: the pathway's transform pads
        it.
        """


class EncoderConfig(Protocol):
    """Kind ``encoder``; factory(config) -> Encoder."""

    def features(self) -> Features:
        """The port that the encoder gives."""

    def transform(self) -> ImageTransform:
        """The transform of a picture to the encoder's pixels (Janus pads to a square). May import torch when called."""


class Encoder(Protocol):
    """An ``nn.Module``: pixels [B, 3, height, width] -> features [B, N, width]."""

    def __call__(self, pixels: Tensor) -> Tensor: ...


class TokenizerConfig(Protocol):
    """Kind ``tokenizer`` of codes; factory(config) -> Tokenizer.

    It may have ``divisible``, whether the losses are sums over pictures, so that several processes can share a step of
    them; without it one process trains alone.
    """

    def codes(self) -> Codes:
        """The port that the tokenizer gives."""

    def transform(self) -> ImageTransform:
        """The transform of a picture to a target to draw (scaled to cover, centre-cropped, in [-1, 1])."""


class Tokenizer(Protocol):
    """An ``nn.Module`` between pixels and codes. Pixels are in [-1, 1]; codes are int64 [B, N, d] in raster order.

    Codes with scales are those of one scale after the other. ``decode`` and ``vectors`` take those of the first scales
    as well, of which pictures are decoded that are not finished.

    A class with ``dual = True`` has vectors of which some elements are for other uses than pixels, such as the meaning
    of a picture: ``decode`` need not read them.

    One that can be trained by captions too, as by the objective ``semantic``, has ``losses_and_vectors(pixels)``: what
    ``losses`` gives, and third the vectors of the codes [B, N, width], whose gradients reach what encodes pictures; of
    codes with scales, their sum at the places of the grid.
    """

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, h, w] to codes [B, N, d]."""

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, N, d] to pixels [B, 3, h, w], not clipped."""

    def vectors(self, codes: Tensor) -> Tensor:
        """The codebook's vectors of codes [B, n, d] of any n places: [B, n, width].

        Those of several levels are summed, or stand side by side.
        """

    def losses(self, pixels: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Training losses by name (weighted, so that their sum is minimised) and figures to log (usage, perplexity)."""


class LatentTokenizerConfig(Protocol):
    """Kind ``tokenizer`` of continuous latents; factory(config) -> LatentTokenizer.

    It may have ``decodes``, false where it has no decoder: the latents of such pictures can be drawn, but no pixels.
    """

    def latents(self) -> Latents:
        """The port that the tokenizer gives."""

    def transform(self) -> ImageTransform:
        """The transform of a picture to a target to draw (scaled to cover, centre-cropped, in [-1, 1])."""


class LatentTokenizer(Protocol):
    """An ``nn.Module`` between pixels in [-1, 1] and latents [B, N, C], which are scaled to be drawn from noise.

    One that can be trained by captions too has ``losses_and_vectors(pixels)``: what ``losses`` gives, and third the
    latents [B, N, C] that the decoder got.
    """

    def encode(self, pixels: Tensor, noise: Tensor | None = None) -> Tensor:
        """Pixels [B, 3, h, w] to latents [B, N, C]: the mode of the posterior, or with standard normal ``noise`` of
        the same shape a sample of it."""

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B, N, C] to pixels [B, 3, h, w], not clipped."""

    def losses(self, pixels: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Training losses by name (weighted, so that their sum is minimised) and figures to log."""


class EmbeddingConfig(Protocol):
    """Kind ``embedding``: codes or latents to the vectors that the backbone reads.

    factory(config, drawn: CodesOrLatents, hidden: Hidden) -> Embedding.
    It may use the backbone's matrices, see ``Borrower``. One for pictures that are drawn as wholes may have
    ``hides``, whether it has a vector for hidden places, without which no sampler may hide any; ``drops_hidden``,
    whether the backbone reads pictures as if these places were not there; and ``data_at``, the time that it takes for
    complete pictures, which must be the sampler's. One for codes with scales has ``by_scales``, which is true: see
    ``Embedding``.
    """

    def embed(self, drawn: CodesOrLatents, hidden: Hidden) -> Features:
        """The port that the embedding gives. Raises ``PortMismatch`` for codes or latents that it does not take."""


class Embedding(Protocol):
    """An ``nn.Module``: codes [B, n, d] or latents [B, n, C] -> vectors [B, n, width].

    There are ``lead`` further ones before and ``trail`` behind them.

    They are all N of a picture, or n consecutive ones; ``first`` is the position of the first one in the picture.
    Embeddings that do not depend on positions ignore it.

    One for pictures that are drawn as wholes is called with ``corrupted`` as well: the times and the hidden places of
    pictures that are drawn in part; None where they are complete.

    One for codes with scales is called with the codes of all scales, or of the first ones. Its vectors at the places of
    a scale depend on the codes of earlier scales alone, since the codes of the scale are predicted there: at those of
    the first scale on none. It may have ``again(codes) -> vectors``: those of the last of these scales, [B, n, width],
    made of its own codes as well, from which a sampler may predict the scale once more.
    """

    def __call__(self, drawn: Tensor, first: int = 0, corrupted: Corrupted | None = None) -> Tensor: ...


class AdapterConfig(Protocol):
    """Kind ``adapter``; factory(config, source: Features, hidden: Hidden) -> Adapter."""

    def adapt(self, source: Features, hidden: Hidden) -> Features:
        """The port that the adapter gives: N' tokens of the hidden width. Raises ``PortMismatch`` where it cannot."""


class Adapter(Protocol):
    """An ``nn.Module``: features [B, N, width] -> [B, N', H].

    In a pathway that draws, it maps each of them alone, so N' is N.
    """

    def __call__(self, features: Tensor) -> Tensor: ...


class BackboneConfig(Protocol):
    """Kind ``backbone``; factory(config) -> Backbone."""

    def hidden(self) -> Hidden:
        """The port that the backbone reads and gives."""


class Backbone(Protocol):
    """An ``nn.Module``: the language model. Its layers are the blocks that it declares, see ``Layered``.

    It may have a cache of its own, such as the states of recurrent layers: ``new_cache(rows, length, dtype, device) ->
    janiform.Cache``, whose sizes its port declares. Without it, it is given a ``janiform.KVCache``.
    """

    def __call__(
        self,
        embeddings: Tensor,
        positions: Tensor,
        mask: Mask,
        cache: Cache | None = None,
        *,
        routes: Routes | None = None,
    ) -> Tensor:
        """Embeddings [B, T, H], positions int64 [B, T] -> hidden states [B, T, H] after the final norm.

        ``routes`` are given where the port names any: the set of weights of each of the B·T positions; None is the
        first set for all.

        With a cache, the T given positions follow those already in it; the mask covers cached and new keys. Padding and
        other documents must not change a document's states; in a cached row all padding is on the left.
        """

    def embed(self, ids: Tensor) -> Tensor:
        """Text ids [B, T] to embeddings [B, T, H]."""

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., H] to text logits [..., V]."""


class Layered(Protocol):
    """A part, usually a backbone, that declares its blocks: the layers that run one after another."""

    def blocks(self) -> Sequence[nn.Module]:
        """The blocks, which training recomputes (``checkpointing``), compiles (``compile``) and shards one by one.

        Each is a submodule whose ``forward`` runs in every forward pass of the part, and is within no other block; its
        weights are used by that ``forward`` only. They may be of several classes. Of a part without this method the
        members of its outermost ``nn.ModuleList``s are used; of a member without a ``forward``, its own members.
        """


class AuxiliaryLosses(Protocol):
    """A part, usually a backbone, that adds losses to those of the objective, such as the load balancing of experts.

    They are logged as ``backbone.balance``, by the path of the part. A stage's ``weights`` may name them; else they
    have the weights that the part gives. A step is split into micro-batches and among processes, and its rows are
    packed, so each loss is a sum over positions, documents or pictures, none of which depends on what else is in the
    batch, and its count is known before: a backbone counts positions that are not padding, whose documents are
    ``mask.declared_documents``; a head counts as its ``loss`` does; other parts count the pictures that they are given.
    """

    def auxiliary_weights(self) -> Mapping[str, float]:
        """The names of its losses, with their weights where a stage gives none; empty where it has none."""

    def auxiliary_losses(self) -> Mapping[str, Loss]:
        """The losses, not weighted, of the forward passes since the last call, added up; empty where there were none.

        Only passes with gradients in training mode have losses. Blocks are recomputed in the backward pass
        (``Layered``), so a block returns what a loss depends on, and the part around it keeps that.
        """


class HeadConfig(Protocol):
    """Kind ``head``; factory(config, hidden: Hidden, drawn: CodesOrLatents) -> Head, or for latents PictureHead,
    PlaceHead or RegressionHead.

    It may use the backbone's matrices, see ``Borrower``.
    """

    def predict(self, hidden: Hidden, drawn: CodesOrLatents) -> Predicted:
        """The port that the head gives. Raises ``PortMismatch`` for codes or latents that it does not predict."""


class Head(Protocol):
    """An ``nn.Module`` that predicts codes: the next one, or the one of each place where the sampler draws so.

    Of a code with several levels, ``sample`` calls ``choose(logits, level)`` once per level, in order from 0.
    """

    def __call__(self, hidden: Tensor) -> Tensor:
        """Hidden states [R, H] to the logits of the first code [R, V]."""

    def loss(self, hidden: Tensor, codes: Tensor) -> Loss:
        """Cross-entropy, in nats, of codes [R, d] given hidden states [R, H]; the count is R·d."""

    def sample(self, hidden: Tensor, choose: Choose) -> Tensor:
        """Hidden states [R, H] to codes [R, d]. Where d is 1, samplers may call the head itself instead."""


class PictureHead(Protocol):
    """An ``nn.Module`` that predicts the values of whole pictures, for latents that are drawn from noise.

    ``hidden`` are the states [n, lead + N + trail, H] at the positions of n pictures, ``drawn`` the latents [n, N, C]
    that the embedding read there, ``corrupted`` their times.
    """

    def __call__(self, hidden: Tensor, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """The prediction [n, N, C]."""

    def loss(self, hidden: Tensor, drawn: Tensor, corrupted: Corrupted, target: Tensor) -> Loss:
        """The mean squared difference to ``target`` [n, N, C], summed over places; the count is n·N."""


class PlaceHead(Protocol):
    """An ``nn.Module`` that draws the values of single places, by a process of its own: of ``Values`` of ``sample``.

    First it reads whole pictures, as a ``PictureHead`` does. Training has a loss at the places that are hidden; drawing
    samples some of them in each step, for all G rows of the guidance at once.
    """

    def __call__(self, hidden: Tensor, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """What each place is drawn from, its conditions [n, N, Z], of any width."""

    def loss(self, conditions: Tensor, target: Tensor, noise: PlaceNoise) -> Loss:
        """The loss of values [R, C] given conditions [R, Z], summed over places; the count is R.

        All random numbers are those of ``noise``.
        """

    def sample(self, conditions: Tensor, sampling: PlaceSampling) -> Tensor:
        """Conditions [G·R, Z] to values [R, C], with the guidance and the random numbers of ``sampling``."""


class RegressionHead(Protocol):
    """An ``nn.Module`` that predicts the expected values of single places, for latents that are drawn one by one.

    Its port is ``PlaceValues``; ``hidden`` are the states [R, H] before R places.
    """

    def __call__(self, hidden: Tensor) -> Tensor:
        """The prediction [R, C]."""

    def loss(self, hidden: Tensor, latents: Tensor) -> Loss:
        """A distance to latents [R, C] that is smallest where they are predicted; the count is R."""


class BorrowerConfig(Protocol):
    """The config of an embedding or head that uses the weights of other parts.

    ``borrows`` names them: ``"backbone"``, which is the default, or another part of the pathway, such as
    ``"embedding"`` or ``"tokenizer"``, with which it is then shared. One whose codes are ids of the backbone's
    vocabulary, beside the text's ids, has ``rows``, and may have ``reserved``, the further ids that are no text, such
    as that of a mask token. It may have ``accept(part, config)``, which raises ``PortMismatch`` for the config of a
    part that it borrows and cannot work with.
    """

    def rows(self, hidden: Hidden, codes: Codes) -> range:
        """The ids of the codes, none of which is text. Raises ``PortMismatch`` where the vocabulary lacks them."""


class Borrower(Protocol):
    """An embedding or head that uses another part's weights, which remain that part's."""

    def borrow(self, part: Backbone) -> None:
        """Keep the part, but not as a submodule, so that its weights have one name. Called before other methods, once
        for each part that the config ``borrows``, in that order."""
