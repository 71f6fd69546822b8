"""The stages of training and their settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, Literal

from attrs import Attribute, field, frozen, validators

from .part import Use

MAX_BATCH = 2**20
"""Largest number of samples per step, whose list must fit into memory."""

MAX_WORKERS = 256
"""Largest number of processes that prepare the batches of one process."""


def _help(sentence: str) -> dict[str, str]:
    return {"help": sentence}


def _finite(_: Any, attribute: Attribute[Any], value: float) -> None:
    if not isfinite(value):
        raise ValueError(f"'{attribute.name}' must be finite")


def _ratios(_: Any, attribute: Attribute[Any], value: Mapping[str, float | SourceGroup]) -> None:
    ratios = {name: item.ratio if isinstance(item, SourceGroup) else item for name, item in value.items()}
    if bad := [name for name, ratio in ratios.items() if not 0 <= ratio < float("inf")]:
        raise ValueError(f"the ratio of '{bad[0]}' must be 0 or more")
    if not sum(ratios.values()) > 0:
        raise ValueError("at least one source must have a ratio above 0")
    names = list(_used(value))
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"contains the source '{twice[0]}' twice")


def _used(mixture: Mapping[str, float | SourceGroup]) -> Iterator[str]:
    """The sources whose ratio is not 0, with repetitions."""
    for name, item in mixture.items():
        if isinstance(item, SourceGroup):
            yield from _used(item.of) if item.ratio else ()
        elif item:
            yield name


def _below_one(_: Any, attribute: Attribute[Any], values: tuple[float, float]) -> None:
    if not all(0 <= value < 1 for value in values):
        raise ValueError("both must be at least 0 and below 1")


def _within_steps(stage: Stage, attribute: Attribute[Any], value: int) -> None:
    if value > stage.steps:
        raise ValueError(f"must be at most the {stage.steps} steps of the stage")


def _weights(_: Any, attribute: Attribute[Any], value: Mapping[str, float]) -> None:
    if bad := [name for name, weight in value.items() if not 0 <= weight < float("inf")]:
        raise ValueError(f"the weight of '{bad[0]}' must be 0 or more")


def _not_empty(_: Any, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    if not value or not all(value):
        raise ValueError(f"'{attribute.name}' must name at least one path, such as [\"backbone.layers\"]")


def _trains_something(stage: Stage, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    if not all(value) or not (value or stage.lora):
        raise ValueError(
            '\'train\' must name at least one path, such as ["generation.adapter", "generation.head"], unless `lora` '
            "is set"
        )


def _distinct(_: Any, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    if len(set(value)) < len(value):
        raise ValueError("names a stage twice")


@frozen(kw_only=True)
class SourceGroup:
    """Sources with a common ratio in a mixture, as in ``{ ratio = 5, of = { a = 1, b = 1 } }``."""

    ratio: float = field(metadata=_help("Ratio of the group in the mixture or group that contains it."))
    of: Mapping[str, float | SourceGroup] = field(
        validator=_ratios, metadata=_help("Ratios within the group, by source name; groups may be nested.")
    )


@frozen(kw_only=True)
class Lora:
    """``[stage.NAME.lora]``: frozen linear layers that are trained by low-rank adapters (arXiv:2106.09685)."""

    on: tuple[str, ...] = field(
        validator=_not_empty,
        metadata=_help("Paths of the layers, or of modules that contain them; `*` matches any name."),
    )
    rank: int = field(default=8, validator=validators.ge(1), metadata=_help("Rank of the update of a weight."))
    alpha: float = field(
        default=16.0,
        validator=[validators.gt(0), _finite],
        metadata=_help("Scale of the update: it is multiplied by alpha / rank."),
    )
    dropout: float = field(
        default=0.0,
        validator=[validators.ge(0), validators.lt(1)],
        metadata=_help("Dropout probability of the adapters' inputs."),
    )


@frozen(kw_only=True)
class Stage:
    """``[stage.NAME]``: the parameters to train, the data, the loss, and the schedule."""

    name: str = field(metadata=_help("The stage's name, from its table's header."))
    objective: Use = field(metadata=_help("What the stage minimises; a component of kind objective."))
    train: tuple[str, ...] = field(
        default=(),
        validator=_trains_something,
        metadata=_help("Paths of the parts or parameters to train; `*` matches any name; the rest is frozen."),
    )
    lora: Lora | None = field(
        default=None,
        metadata=_help("Layers that are trained by low-rank adapters, which are merged into them when the stage ends."),
    )
    mixture: Mapping[str, float | SourceGroup] = field(
        validator=_ratios,
        metadata=_help("Ratio of each source, or group of sources, in the samples of a step."),
    )
    steps: int = field(validator=validators.ge(1), metadata=_help("Optimizer steps."))
    batch: int = field(
        validator=[validators.ge(1), validators.le(MAX_BATCH)], metadata=_help("Samples per optimizer step.")
    )
    stop: int = field(
        default=0,
        validator=[validators.ge(0), _within_steps],
        metadata=_help("Step after which the stage ends early, with the schedule of `steps`; 0 means the last step."),
    )
    micro_batch: int = field(
        default=0,
        validator=validators.ge(0),
        metadata=_help("Samples per forward and backward pass; 0 means all of a process's samples of a step."),
    )
    checkpointing: bool | tuple[str, ...] = field(
        default=False,
        metadata=_help(
            "Activation checkpointing: recompute blocks in the backward pass to save memory; true for all, or a list "
            "of paths."
        ),
    )
    compile: bool = field(default=False, metadata=_help("Compile every block; slow at the start."))
    learning_rate: float = field(
        validator=[validators.gt(0), _finite], metadata=_help("Learning rate after the warm-up.")
    )
    warmup: int = field(
        default=0,
        validator=[validators.ge(0), _within_steps],
        metadata=_help("Steps over which the learning rate rises from 0."),
    )
    schedule: Literal["constant", "cosine", "linear"] = field(
        default="constant", metadata=_help("Schedule of the learning rate after the warm-up.")
    )
    final_fraction: float = field(
        default=0.0,
        validator=[validators.ge(0), validators.le(1)],
        metadata=_help("Learning rate of the last step as a fraction of `learning_rate`; for cosine and linear."),
    )
    betas: tuple[float, float] = field(
        default=(0.9, 0.95), validator=_below_one, metadata=_help("AdamW's decay rates of the moments.")
    )
    weight_decay: float = field(
        default=0.0, validator=[validators.ge(0), _finite], metadata=_help("Decoupled weight decay.")
    )
    muon: tuple[str, ...] = field(
        default=(),
        metadata=_help(
            "Paths of the parts whose matrices and convolution kernels Muon updates, `objective` for the objective's; "
            "AdamW updates the rest."
        ),
    )
    clip: float = field(
        default=1.0, validator=validators.ge(0), metadata=_help("Largest norm of the gradient; 0 means no limit.")
    )
    weights: Mapping[str, float] = field(
        factory=dict,
        validator=_weights,
        metadata=_help(
            "Weight of each loss by name; for losses that are not named 1, or the weight that the part gives."
        ),
    )
    precision: Literal["float32", "bfloat16", "auto"] = field(
        default="float32",
        metadata=_help(
            "Data type of the forward and backward pass; `auto` is bfloat16 where the device is fast at it, float32 "
            "elsewhere; weights and optimizer states stay float32."
        ),
    )
    ema: float = field(
        default=0.0,
        validator=[validators.ge(0), validators.lt(1)],
        metadata=_help("Decay of the moving average of the weights; 0 means none."),
    )
    sample_every: int = field(
        default=0, validator=validators.ge(0), metadata=_help("Steps between sample pictures; 0 means none.")
    )
    log_every: int = field(default=10, validator=validators.ge(1), metadata=_help("Steps between lines of the log."))

    @property
    def last(self) -> int:
        """Number of the last step that is taken."""
        return self.stop or self.steps

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources with a ratio above 0, those in groups included."""
        return tuple(_used(self.mixture))

    @property
    def ratios(self) -> dict[str, float]:
        """The fraction of each of ``sources`` in the samples of a step, with groups resolved; they add up to 1."""
        return dict(_fractions(self.mixture, 1.0))


def _fractions(mixture: Mapping[str, float | SourceGroup], whole: float) -> Iterator[tuple[str, float]]:
    total = sum(item.ratio if isinstance(item, SourceGroup) else item for item in mixture.values())
    for name, item in mixture.items():
        if isinstance(item, SourceGroup):
            yield from _fractions(item.of, whole * item.ratio / total) if item.ratio else ()
        elif item:
            yield name, whole * item / total


@frozen(kw_only=True)
class Training:
    """``[training]``: the order of the stages, and settings of the whole run."""

    stages: tuple[str, ...] = field(
        default=(),
        validator=_distinct,
        metadata=_help("Names of the stages in order; by default all, in the order of the file."),
    )
    seed: int = field(
        default=0, validator=validators.ge(0), metadata=_help("Random seed of first weights and of training.")
    )
    data_seed: int | None = field(
        default=None,
        validator=validators.optional(validators.ge(0)),
        metadata=_help("Random seed of the order of the data and of its preparation; by default `seed`."),
    )
    checkpoint_every: int = field(
        default=500, validator=validators.ge(1), metadata=_help("Steps between checkpoints within a stage.")
    )
    keep: int = field(default=2, validator=validators.ge(1), metadata=_help("Number of checkpoints to keep."))
    attention: str = field(
        default="sdpa@1",
        metadata=_help("Attention kernel: a component of kind kernel, or `auto`."),
    )
    workers: int = field(
        default=1,
        validator=[validators.ge(0), validators.le(MAX_WORKERS)],
        metadata=_help(
            "Processes that prepare batches ahead, at most two per CPU core or 8; 0 prepares them between steps."
        ),
    )
    strict: bool = field(
        default=False,
        metadata=_help("Stop at a sample that cannot be used; otherwise it is counted, listed and skipped."),
    )
    best: str = field(
        default="",
        metadata=_help("Name of a loss: the stage's checkpoint with the lowest value is kept beside the newest."),
    )
    parallel: Literal["replicate", "shard", "hybrid"] = field(
        default="replicate",
        metadata=_help(
            "Weights of several processes: a copy per process, shards over all of them, or shards within groups of "
            "`shards`."
        ),
    )
    shards: int = field(
        default=0,
        validator=validators.ge(0),
        metadata=_help("Processes per group where `parallel` is hybrid; 0 means those of one machine."),
    )

    @property
    def seed_of_data(self) -> int:
        """``data_seed``, or ``seed`` where it is not given."""
        return self.seed if self.data_seed is None else self.data_seed
