"""What a model is used, measured, computed and kept with: samplers, benchmarks, kernels and formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..contracts.kernels import Asked, Serves

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ..compose import Plan
    from ..inference.api import Model
    from ..model.unified_model import UnifiedModel
    from ..recipe import Recipe
    from ..sequence.mask import Mask
    from ..sequence.spans import Sequence as SpanSequence
    from ..storage.export import Export
    from ..storage.weight_files import WeightFiles
    from ..weights import KeyMap
    from .showcase import Showcase

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""

OnStep = Callable[[int, int], None]
"""Called with how much is done, and of how much."""

OnCodes = Callable[["Tensor"], None]
"""Called with the codes so far, int64 [B, N, d] on the model's device, −1 where none is drawn; read only, do not keep."""


class SamplerConfig(Protocol):
    """Kind ``sampler``: how a pathway's codes are drawn; factory(config) -> Sampler."""


class Sampler(Protocol):
    """Draws pictures with a whole model, for instance with ``janiform.generate_codes``."""

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

        ``on_step`` is called with the steps that are done, and of how many; ``on_codes`` after every step with all
        codes so far, in whatever order they are drawn.

        Raises ``UsageError`` for an override that the config does not declare.
        """


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
