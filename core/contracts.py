"""What each kind of component promises: the config half (torch-free) and the module half (torch).

A component is registered with a config class and the import path of a factory. The config declares ports; the factory
gets the config and the same ports, and returns a ``torch.nn.Module`` that keeps them. Dimension letters:

    B pictures or rows    N tokens of one picture    d depth of a code    T positions    H hidden width    V vocabulary

Config classes are frozen attrs classes with a default for every field that a preset can give; each field carries
``metadata={"help": "one sentence"}``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from attrs import frozen

from .kernels import Asked, Serves
from .ports import Codes, Features, Grid, Hidden, Logits

if TYPE_CHECKING:
    from pathlib import Path

    from numpy import ndarray
    from PIL.Image import Image
    from torch import Tensor

    from .api import Model
    from .compose import Plan
    from .generate.images import OnCodes, OnStep
    from .loss import Loss
    from .model import UnifiedModel
    from .recipe import Recipe
    from .sequence.cache import KVCache
    from .sequence.conversation import Conversation
    from .sequence.mask import Mask
    from .sequence.spans import Sequence as SpanSequence
    from .sequence.tiles import Tiles
    from .showcase import Samples, Showcase
    from .storage.export import Export
    from .storage.weight_files import WeightFiles
    from .weights import KeyMap

ImageTransform = Callable[["Image"], "Tensor"]
"""A PIL picture of any size and mode RGB to a float32 tensor [3, height, width], normalised as the part wants it."""

Choose = Callable[["Tensor"], "Tensor"]
"""Logits [R, V] of R sequences to one code each [R]: guidance and sampling, given to ``Head.sample`` by the sampler."""

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much."""


class TilingConfig(Protocol):
    """Kind ``tiling``; factory(config) -> Tiling."""

    @property
    def most(self) -> int:
        """The most pictures that one picture is seen as."""


class Tiling(Protocol):
    """Cuts large pictures up before an encoder of one size looks at them. Runs in data workers, without torch."""

    def cut(self, picture: Image | ndarray, seen: Grid, background: tuple[int, int, int]) -> Tiles:
        """A picture, RGB or uint8 [h, w, 3], to what is seen of it, each crop ``seen`` pixels high and wide.

        One that is left whole, as an overview is, must be the picture itself: the pathway's transform pads it.
        """


class EncoderConfig(Protocol):
    """Kind ``encoder``; factory(config) -> Encoder."""

    def features(self) -> Features:
        """The port that the encoder gives."""

    def transform(self) -> ImageTransform:
        """How a picture becomes the encoder's pixels (understanding pads to a square). May import torch when called."""


class Encoder(Protocol):
    """An ``nn.Module``: pixels [B, 3, height, width] -> features [B, N, width]."""

    def __call__(self, pixels: Tensor) -> Tensor: ...


class TokenizerConfig(Protocol):
    """Kind ``tokenizer``; factory(config) -> Tokenizer."""

    def codes(self) -> Codes: ...

    def transform(self) -> ImageTransform:
        """How a picture becomes a target to draw (scaled to cover, centre-cropped, in [-1, 1])."""


class Tokenizer(Protocol):
    """An ``nn.Module`` between pixels and codes. Pixels are in [-1, 1]; codes are int64 [B, N, d] in raster order."""

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, h, w] to codes [B, N, d]."""

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, N, d] to pixels [B, 3, h, w], not clipped."""

    def vectors(self, codes: Tensor) -> Tensor:
        """The codebook's vectors of codes [B, N, d], summed over depth: [B, N, width]."""

    def losses(self, pixels: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Training losses by name (each weighted, ready to be added up) and figures to watch (usage, perplexity)."""


class EmbeddingConfig(Protocol):
    """Kind ``embedding``: codes to vectors, the backbone's view of what was drawn.

    factory(config, codes: Codes, hidden: Hidden) -> Embedding.
    It may borrow, see ``Borrower``.
    """

    def embed(self, codes: Codes, hidden: Hidden) -> Features: ...


class Embedding(Protocol):
    """An ``nn.Module``: codes [B, n, d] -> vectors [B, n, width].

    The codes are all N of a picture, or n of them in a row; ``first`` is the place of the first one in the picture. Who
    doesn't care for places passes over it.
    """

    def __call__(self, codes: Tensor, first: int = 0) -> Tensor: ...


class AdapterConfig(Protocol):
    """Kind ``adapter``; factory(config, source: Features, hidden: Hidden) -> Adapter."""

    def adapt(self, source: Features, hidden: Hidden) -> Features:
        """What it gives: N' tokens of the hidden width. Raises ``Misfit`` where it cannot."""


class Adapter(Protocol):
    """An ``nn.Module``: features [B, N, width] -> [B, N', H]. One that draws maps each of them alone, so N' is N."""

    def __call__(self, features: Tensor) -> Tensor: ...


class BackboneConfig(Protocol):
    """Kind ``backbone``; factory(config) -> Backbone."""

    def hidden(self) -> Hidden: ...


class Backbone(Protocol):
    """An ``nn.Module``: the language model without the generation of anything but text."""

    def __call__(self, embeddings: Tensor, positions: Tensor, mask: Mask, cache: KVCache | None = None) -> Tensor:
        """Embeddings [B, T, H], positions int64 [B, T] -> hidden states [B, T, H] after the final norm.

        With a cache, the T given positions follow those already in it; the mask covers cached and new keys.
        """

    def embed(self, ids: Tensor) -> Tensor:
        """Text ids [B, T] to embeddings [B, T, H]."""

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., H] to text logits [..., V]."""


class HeadConfig(Protocol):
    """Kind ``head``; factory(config, hidden: Hidden, codes: Codes) -> Head. It may borrow, see ``Borrower``."""

    def predict(self, hidden: Hidden, codes: Codes) -> Logits: ...


class Head(Protocol):
    """An ``nn.Module`` that predicts the code of the next position."""

    def __call__(self, hidden: Tensor) -> Tensor:
        """Hidden states [R, H] to the logits of the first code [R, V]."""

    def loss(self, hidden: Tensor, codes: Tensor) -> Loss:
        """Cross-entropy, in nats, of codes [R, d] given hidden states [R, H]; the count is R·d."""

    def sample(self, hidden: Tensor, choose: Choose) -> Tensor:
        """Hidden states [R, H] to codes [R, d]; ``choose`` is called once per depth level with logits [R, V]."""


class BorrowerConfig(Protocol):
    """The config of an embedding or head whose codes are ids of the backbone's vocabulary, beside those of the text."""

    def rows(self, hidden: Hidden, codes: Codes) -> range:
        """The ids of the codes, which the text leaves to them. Raises ``Misfit`` where the vocabulary lacks them."""


class Borrower(Protocol):
    """An embedding or head that works with the backbone's matrices, which stay the backbone's."""

    def borrow(self, backbone: Backbone) -> None:
        """Keep the backbone, but not as a submodule, so that its weights have one name. Called before anything else."""


class TextConfig(Protocol):
    """Kind ``text``: the text tokenizer; factory(config, folder: Path | None) -> TextTokenizer.

    ``folder`` is the model directory whose files (``tokenizer.json``) belong to the model, where there is one.
    """

    @property
    def vocabulary(self) -> int:
        """Upper bound of the ids, 0 where it is whatever the backbone has."""


class TextTokenizer(Protocol):
    """Strings to ids and back. Special tokens are named by their text; ids always come from the tokenizer's file."""

    @property
    def fitted(self) -> bool:
        """False until ``fit`` where the vocabulary is to be learned from the training text."""

    def fit(self, texts: Iterable[str]) -> None: ...

    def encode(self, text: str) -> list[int]:
        """Ids of the text, nothing put before or after. A special token that is written in it stays ordinary text.

        Only a layout places special tokens, by ``id_of``: so nobody can type one into a prompt.
        """

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the ids, special tokens left out."""

    def id_of(self, token: str) -> int:
        """The id of a special token. Raises ``ComponentError`` naming the token where the vocabulary lacks it."""

    def save(self, folder: Any) -> None:
        """Write ``tokenizer.json`` into the folder."""


class LayoutConfig(Protocol):
    """Kind ``layout``: a chat format; factory(config, text, pathways) -> Layout.

    ``text`` is the ``TextTokenizer``, ``pathways`` a mapping from their names to ``PathwayShape``.
    """


class Layout(Protocol):
    """Conversations to typed spans, and the construction of the unconditional input for guidance.

    It may also have ``cut(sequence, length) -> Sequence or None``: its rule for sequences that are too long for a row.
    Without one the end is cut off, pictures whole, back to the last thing that is to be learned.
    """

    def render(self, conversation: Conversation, *, answer: bool = True) -> SpanSequence:
        """The whole conversation. Losses lie on the assistant's turns where ``answer``; else a prompt awaits one."""

    def drawing_prompt(self, prompt: str, pathway: str) -> SpanSequence:
        """Everything up to the first code of a picture to draw."""

    def unconditional(self, sequence: SpanSequence) -> SpanSequence:
        """The same sequence with its prompt blanked, for training dropout and for guidance alike."""

    @property
    def stop_ids(self) -> Sequence[int]:
        """Ids that end an answer."""

    @property
    def pad_id(self) -> int:
        """The id that fills padding; nothing sees or predicts it there."""


@frozen
class Contents:
    """What a source reads: how many samples, and its files in their order.

    ``files``: name, relative to where the data is -> its size, in ``unit``.
    """

    samples: int
    files: Mapping[str, int]
    unit: str = "bytes"


class Source(Protocol):
    """Kind ``source``: an endless or finite random-access stream of conversations; factory(config) -> Source.

    ``example(index)`` is a pure function of the config and the index, so the position of a source is one integer.
    It raises ``SampleError`` where that one example cannot be used: it is counted, and the next one taken instead. What
    is wrong with the source as a whole is a ``JaniformError`` of the factory.

    One that reads files may have ``contents() -> Contents``, which a run that is resumed compares: it opens no file.
    """

    def example(self, index: int) -> Conversation: ...


class ObjectiveConfig(Protocol):
    """Kind ``objective``: what a training stage minimises; factory(config, model: UnifiedModel) -> Objective."""


class Objective(Protocol):
    """An ``nn.Module`` (so that it may own parts that only training needs, such as a text tower or a discriminator).

    It may also have ``samples(examples)``: what the model makes of a few conversations, as ``Samples``, a PIL picture,
    or None; and ``attends = False`` where it never runs the backbone, so that no attention kernel is chosen for it. And
    ``prepare_one(example, generator, note)`` with ``join(prepared)``, which together do what ``prepare``
    does: then each example has chance of its own, so that a step may be split among processes, and ``SampleError``
    passes one over. ``note(kind, sentence)`` counts what was left out of one that is used.

    Where a batch's losses are sums over its samples, ``counts(batch) -> dict[str, int]`` says of a prepared batch,
    before anything is computed, the count of each loss that ``losses`` will give: then a step can be divided into
    micro-batches and among processes. ``losses`` must call the backbone then, and ``prepare_one`` is wanted.

    Where a loss looks at all samples of a step, so that there are no micro-batches, and yet processes can share it, the
    objective has ``counts`` and an attribute ``gather``: a function of a tensor [n, …] that gives it back. Where
    several processes share a step it is replaced by one that gives the rows of all of them, in their order, which every
    process must call as often; gradients of the rows come back to the process that they are from.
    """

    def prepare(self, examples: Sequence[Conversation], generator: Any) -> Any:
        """Conversations to one batch of CPU tensors; runs in a data worker. ``generator`` is a numpy Generator."""

    def losses(self, batch: Any) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Losses by pathway, and figures to watch."""


class SamplerConfig(Protocol):
    """Kind ``sampler``: how a pathway's codes are drawn; factory(config) -> Sampler."""


class Sampler(Protocol):
    """Draws pictures with a whole model; ``janiform.generate_codes`` is at its disposal."""

    def draw(
        self,
        model: UnifiedModel,
        prompts: Sequence[SpanSequence],
        *,
        pathway: str = "generation",
        seeds: Sequence[int] | None = None,
        on_step: OnStep | None = None,
        on_codes: OnCodes | None = None,
        **overrides: Any,
    ) -> Tensor:
        """Codes int64 [B, N, d] of one picture for each prompt. ``overrides`` replace settings of the config.

        ``on_codes`` is called after every step with all codes so far, in whatever order they are drawn.

        Raises ``UsageError`` for an override that the sampler does not have.
        """


class SinkConfig(Protocol):
    """Kind ``sink``: where else the figures of a run go; factory(config, folder: Path, recipe: Recipe) -> Sink.

    ``folder`` is the run's. The factory raises ``ComponentError`` where a package or a login is missing.
    """


class Sink(Protocol):
    """Gets what is logged while a run trains. Whatever a method raises ends the sink, never the run."""

    def entry(self, entry: Mapping[str, Any]) -> None:
        """A line of the log, as it is written: losses by pathway, rates, and the step of the run as ``total``."""

    def samples(self, samples: Samples, stage: str, total: int) -> None:
        """What the model made of a few examples after ``total`` steps of the run."""

    def close(self) -> None:
        """The run ends, or stops."""


class BenchmarkConfig(Protocol):
    """Kind ``benchmark``; factory(config) -> Benchmark."""


class Benchmark(Protocol):
    """``progress(what, done, of)`` is called now and then while it works."""

    def run(self, model: Model, progress: Progress) -> Mapping[str, Any]:
        """Scores as plain JSON-able data, with the counts and the settings that belong to them.

        Every key but ``counts`` and ``settings`` is a group: name -> score in 0 .. 1. ``counts`` has the same groups
        and names: how many predictions each score is a mean of. ``settings`` is all that repeats the numbers.
        """

    def show(self, model: Model, drawings: int, answers: int, progress: Progress) -> Showcase:
        """Examples to look at: so many prompts drawn and judged, and so many questions about own and other pictures."""


class KernelConfig(Protocol):
    """Kind ``kernel``; factory(config) -> Kernel. No setting is required."""

    def serves(self) -> Serves:
        """What the kernel can do: devices, dtypes, heads, masks, and what must be installed for it."""

    def advantage(self, asked: Asked) -> str:
        """Why ``auto`` should take it rather than sdpa for what is asked, which it serves; empty where not."""


class Kernel(Protocol):
    """Attention under a declared mask, equal within rounding to every other kernel; called by ``janiform.attend``."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
        """Queries [B, heads, T, Dh] over keys and values [B, kv_heads, S, Dh] -> [B, heads, T, Dh], scaled by Dh^-0.5.

        The queries are the last T of the S keys. ``mask.documents`` and ``mask.blocks`` say who sees whom,
        ``mask.compiled`` gives it as a tensor, ``mask.runs`` as stretches; what the kernel itself makes of it is made
        once, by ``mask.kept``. Keys and values may be views of a longer cache. What comes out at padding is finite.
        The three are of one dtype, also under autocast. janiform asks only what the config says that it serves.
        """


class FormatConfig(Protocol):
    """Kind ``format``: a layout of model directories; factory(config) -> Format. No setting is required."""

    def recognises(self, folder: Path) -> bool:
        """Whether the directory is of this layout, told by its files: quickly, without torch, and without raising.

        A damaged directory that is meant to be of the layout is recognised, so that ``recipe`` can say what is wrong.
        """


class Format(Protocol):
    """How a directory holds a model: where its recipe and its weights are, and what its tensors are called.

    janiform does the rest: it composes the recipe, compares every tensor with it, and fills the parts that are wanted.
    ``keys`` serves both directions, so that a layout which is read can be written with few more lines.
    """

    def recipe(self, folder: Path) -> Recipe:
        """The recipe of the model in a directory, from its own files and never from its name; reads no weights.

        Raises ``StorageError`` or ``RecipeError`` with everything that is wrong in those files.
        """

    def weights(self, folder: Path) -> WeightFiles:
        """The files of the weights; see ``janiform.weight_files``. Raises ``StorageError``."""

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        """The names in the files of every part that has weights, by the paths of their owners.

        Raises ``CompositionError`` with everything in the plan that the layout cannot express.
        """

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        """Write the model as a directory of this layout: weights, configs, text tokenizer.

        ``model.writers(keys, metadata)`` are the writers of the weights' files, for ``janiform.write_files``.
        ``shard_size``: bytes that a file of weights has at most; None is what is usual in the layout.

        Raises ``CompositionError`` before anything is written where ``keys`` would, ``StorageError`` where it fails,
        and ``UsageError`` for a ``shard_size`` where the layout has no shards.
        """
