"""Contracts of what works with whole models: samplers, attention kernels and formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..contracts.kernels import AttentionRequest, KernelSupport

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.random import Generator
    from torch import Tensor

    from ..compose import Plan
    from ..model.unified_model import UnifiedModel
    from ..recipe import Recipe
    from ..sequence.corruption import Corrupted, Corruption
    from ..sequence.mask import Mask
    from ..sequence.spans import Sequence as SpanSequence
    from ..storage.export import Export
    from ..storage.weight_files import WeightFiles
    from ..weights import KeyMap

__all__ = [
    "Format",
    "FormatConfig",
    "Kernel",
    "KernelConfig",
    "OnCodes",
    "OnStep",
    "Process",
    "Progress",
    "Sampler",
    "SamplerConfig",
]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""

OnStep = Callable[[int, int], None]
"""Called with how much is done, and of how much."""

OnCodes = Callable[["Tensor"], None]
"""Called with the codes so far, int64 [B, N, d] on the model's device, −1 where none is drawn, which change later.
Where latents are drawn, with what the picture would be at the current prediction, [B, N, C], and zeros at places that
are not drawn yet."""


class Process(Protocol):
    """How pictures come about that are not drawn place by place, in steps that each predict whole pictures.

    Training starts at a random step: a picture is corrupted, and what the head predicts at its places, or at the hidden
    ones where there are any, is compared with the target. Torch-free but for the two methods that take tensors.

    It may have ``before_text``: the largest distance of the time from that of complete pictures, in training, for
    pictures that text with a loss follows. Where it is above 0, these are corrupted by ``corrupt(places, chance,
    before_text)``, and so are pictures that are looked at by the same tokenizer, embedding and adapter, which are
    predicted as well.
    """

    def corrupt(self, places: int, chance: Generator) -> Corruption:
        """Draw how a picture of that many places is corrupted for training."""

    def complete(self, places: int) -> Corruption:
        """The corruption of a picture that is not corrupted, such as one that was drawn earlier.

        Its ``hidden`` are given, all of them false, where the process hides places; composition looks for an embedding
        that has a vector for these.
        """

    def read(self, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """Codes [n, N, d] or latents [n, N, C] as the embedding reads them while they are corrupted."""

    def target(self, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """What the head predicts of codes [n, N, d] or latents [n, N, C] that were corrupted: the same shape."""


class SamplerConfig(Protocol):
    """Kind ``sampler``: how a pathway's codes or latents are drawn; factory(config) -> Sampler.

    A sampler that draws pictures as wholes has the number of its ``steps`` and a ``process``, given the ports of the
    tokenizer and the head: ``process(drawn: CodesOrLatents, predicted: Predicted) -> Process``. It raises
    ``PortMismatch`` for what it does not draw. A sampler without it draws codes, one place after the other; one that
    draws latents so returns None.

    A sampler that draws the scales of a picture one after the other, each as a whole, has ``by_scales``, which is true,
    and draws nothing else; other samplers draw codes of one grid only.

    It may have ``guide(plan, looks) -> janiform.Guidance``: the rows that pictures are drawn with whose prompts have
    pictures of the pathways ``looks``. Memory is planned for them; without it, for two rows, or one where a setting
    ``guidance`` is 1.
    """


class Sampler(Protocol):
    """Draws pictures with a whole model, for instance with ``janiform.generate_codes``.

    One that draws latents without random numbers has ``deterministic``, which is true.

    It may have ``steps``, with the arguments of ``draw``, which returns a generator that yields after each step and
    returns what ``draw`` does: a server runs other requests between its steps. See ``janiform.Steps``.
    """

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
        """Codes int64 [B, N, d], or latents [B, N, C], of one picture per prompt.

        ``overrides`` replace settings of the config.

        ``on_step`` is called with the steps that are done, and of how many; ``on_codes`` after every step with all
        codes so far, in whatever order they are drawn.

        Raises ``UsageError`` for an override that the config does not declare.
        """


class KernelConfig(Protocol):
    """Kind ``kernel``; factory(config) -> Kernel. Every setting has a default."""

    def serves(self) -> KernelSupport:
        """What the kernel supports: devices, data types, heads, masks, and what must be installed."""

    def advantage(self, request: AttentionRequest) -> str:
        """Why ``auto`` should choose it rather than sdpa for a request that it supports; empty where it should not."""


class Kernel(Protocol):
    """Attention under a declared mask, equal to other kernels within rounding; called by ``janiform.attend``."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
        """Queries [B, heads, T, Dh] over keys and values [B, kv_heads, S, Dh] -> [B, heads, T, Dh], scaled by Dh^-0.5.

        The queries are the last T of the S keys. ``mask.documents`` and ``mask.blocks`` define which keys a query
        attends to, ``mask.compiled`` gives it as a tensor, ``mask.runs`` as ranges; ``mask.kept`` keeps what the kernel
        computes from the mask. Keys and values may be views of a longer cache. Outputs at padding are finite. All three
        tensors have one dtype, also under autocast. The kernel is called only for what its config says it supports.
        """


class FormatConfig(Protocol):
    """Kind ``format``: a layout of model directories; factory(config) -> Format. Every setting has a default."""

    def recognises(self, folder: Path) -> bool:
        """Whether the directory has this layout, by its files: quickly, without torch, and without raising.

        A damaged directory of the layout is recognised, so that ``recipe`` can report what is wrong.
        """


class Format(Protocol):
    """A layout of model directories: where the recipe and the weights are, and the names of the tensors.

    janiform composes the recipe, compares every tensor with it, and fills the requested parts. ``keys`` serves reading
    and writing. A format may have a method ``lacking(folder, mode)``: what a directory lacks for a pathway that looks
    or draws (``"look"``, ``"draw"``), as a sentence that tells what to do about it; empty where it lacks nothing.
    """

    def recipe(self, folder: Path) -> Recipe:
        """The recipe of the model in a directory, from its files and never from its name; reads no weights.

        Raises ``StorageError`` or ``RecipeError`` with everything that is wrong in these files.
        """

    def weights(self, folder: Path) -> WeightFiles:
        """The files of the weights; see ``janiform.weight_files``. Raises ``StorageError``."""

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        """The tensor names in the files for every part with weights, by the paths of the owners.

        Raises ``CompositionError`` with everything in the plan that the layout cannot express.
        """

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        """Write the model as a directory of this layout: weights, configs, text tokenizer.

        ``model.writers(keys, metadata)`` are the writers of the weight files, for ``janiform.write_files``.
        ``shard_size`` is the largest size of a weight file in bytes; None means the layout's usual size.

        Raises ``CompositionError`` before anything is written where ``keys`` would, ``StorageError`` where it fails,
        and ``UsageError`` for a ``shard_size`` where the layout has no shards.
        """
