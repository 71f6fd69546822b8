"""What one stage of training does, and how the stages follow each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, Literal

from attrs import Attribute, field, frozen, validators

from .part import Use


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
        raise ValueError(f"the source '{twice[0]}' stands in it twice")


def _used(mixture: Mapping[str, float | SourceGroup]) -> Iterator[str]:
    """The sources whose ratio is not 0, each as often as it stands there."""
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


def _some(_: Any, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    if not value or not all(value):
        raise ValueError(f"'{attribute.name}' must name at least one path, such as [\"backbone.layers\"]")


def _something(stage: Stage, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    if not all(value) or not (value or stage.lora):
        raise ValueError(
            '\'train\' must name at least one path, such as ["generation.adapter", "generation.head"], unless there is '
            "`lora`"
        )


def _distinct(_: Any, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    if len(set(value)) < len(value):
        raise ValueError("names a stage twice")


@frozen(kw_only=True)
class SourceGroup:
    """Sources that share one ratio of a mixture, as in ``{ ratio = 5, of = { a = 1, b = 1 } }``."""

    ratio: float = field(metadata=_help("The group's ratio in what it stands in."))
    of: Mapping[str, float | SourceGroup] = field(
        validator=_ratios, metadata=_help("Ratios within the group, by the source's name; groups may hold groups.")
    )


@frozen(kw_only=True)
class Lora:
    """``[stage.NAME.lora]``: linear layers that learn by low-rank adapters (arXiv:2106.09685) while they are frozen."""

    on: tuple[str, ...] = field(
        validator=_some, metadata=_help("Paths of the layers, or of what they are in, `*` for any name.")
    )
    rank: int = field(default=8, validator=validators.ge(1), metadata=_help("Rank of what is added to a weight."))
    alpha: float = field(
        default=16.0,
        validator=[validators.gt(0), _finite],
        metadata=_help("What is added is multiplied by alpha / rank."),
    )
    dropout: float = field(
        default=0.0,
        validator=[validators.ge(0), validators.lt(1)],
        metadata=_help("Share of the adapters' inputs that is blanked in training."),
    )


@frozen(kw_only=True)
class Stage:
    """``[stage.NAME]``: what is trained, on what, for how long, with which loss."""

    name: str = field(metadata=_help("The stage's name, from its table's header."))
    objective: Use = field(metadata=_help("What the stage minimises, a component of kind objective."))
    train: tuple[str, ...] = field(
        default=(),
        validator=_something,
        metadata=_help("Paths of what is trained, whole parts or parameters, `*` for any name; the rest is frozen."),
    )
    lora: Lora | None = field(
        default=None,
        metadata=_help("Layers that learn by low-rank adapters, which are merged into them when the stage ends."),
    )
    mixture: Mapping[str, float | SourceGroup] = field(
        validator=_ratios,
        metadata=_help("Ratio of each source within every step, by the source's name; or of a group of sources."),
    )
    steps: int = field(validator=validators.ge(1), metadata=_help("Optimizer steps."))
    batch: int = field(validator=validators.ge(1), metadata=_help("Samples a step."))
    stop: int = field(
        default=0,
        validator=[validators.ge(0), _within_steps],
        metadata=_help("Step after which the stage ends although its schedule is that of `steps`; 0 is the last."),
    )
    micro_batch: int = field(
        default=0,
        validator=validators.ge(0),
        metadata=_help("Samples of one forward and backward pass; 0 is all that a process has of a step."),
    )
    checkpointing: bool | tuple[str, ...] = field(
        default=False,
        metadata=_help("Compute blocks again in the backward pass, which saves memory: all, or those at these paths."),
    )
    compile: bool = field(default=False, metadata=_help("Compile every block, which takes a while at the start."))
    learning_rate: float = field(
        validator=[validators.gt(0), _finite], metadata=_help("The learning rate after the warm-up.")
    )
    warmup: int = field(
        default=0,
        validator=[validators.ge(0), _within_steps],
        metadata=_help("Steps over which the learning rate rises from zero."),
    )
    schedule: Literal["constant", "cosine", "linear"] = field(
        default="constant", metadata=_help("How the learning rate goes on after the warm-up.")
    )
    final_fraction: float = field(
        default=0.0,
        validator=[validators.ge(0), validators.le(1)],
        metadata=_help("Learning rate of the last step as a fraction of `learning_rate`, for cosine and linear."),
    )
    betas: tuple[float, float] = field(
        default=(0.9, 0.95), validator=_below_one, metadata=_help("AdamW's two decay rates.")
    )
    weight_decay: float = field(
        default=0.0, validator=[validators.ge(0), _finite], metadata=_help("Decoupled weight decay.")
    )
    muon: tuple[str, ...] = field(
        default=(),
        metadata=_help(
            "Paths of what Muon updates, of which it takes the matrices and kernels, `objective` for the objective's "
            "own; AdamW does the rest."
        ),
    )
    clip: float = field(
        default=1.0, validator=validators.ge(0), metadata=_help("Largest norm of the gradient, 0 for no limit.")
    )
    weights: Mapping[str, float] = field(
        factory=dict, validator=_weights, metadata=_help("Weight of each loss by its name; 1 where it is not named.")
    )
    precision: Literal["float32", "bfloat16", "auto"] = field(
        default="float32",
        metadata=_help(
            "Arithmetic of forward and backward, `auto` is bfloat16 where the device is fast at it and float32 "
            "elsewhere; weights and optimizer stay float32."
        ),
    )
    ema: float = field(
        default=0.0,
        validator=[validators.ge(0), validators.lt(1)],
        metadata=_help("Decay of the running mean of the weights, 0 for none."),
    )
    sample_every: int = field(
        default=0, validator=validators.ge(0), metadata=_help("Steps between sample pictures, 0 for none.")
    )
    log_every: int = field(default=10, validator=validators.ge(1), metadata=_help("Steps between lines of the log."))

    @property
    def last(self) -> int:
        """Steps that are really taken."""
        return self.stop or self.steps

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources that samples are taken from, those in groups included."""
        return tuple(_used(self.mixture))

    @property
    def ratios(self) -> dict[str, float]:
        """The share of each of ``sources`` in the samples of a step, groups resolved; the shares add up to 1."""
        return dict(_shares(self.mixture, 1.0))


def _shares(mixture: Mapping[str, float | SourceGroup], whole: float) -> Iterator[tuple[str, float]]:
    total = sum(item.ratio if isinstance(item, SourceGroup) else item for item in mixture.values())
    for name, item in mixture.items():
        if isinstance(item, SourceGroup):
            yield from _shares(item.of, whole * item.ratio / total) if item.ratio else ()
        elif item:
            yield name, whole * item / total


@frozen(kw_only=True)
class Training:
    """``[training]``: the order of the stages and what holds for all of them."""

    stages: tuple[str, ...] = field(
        default=(),
        validator=_distinct,
        metadata=_help("Names of the stages in the order of training; all, as written, where it is left out."),
    )
    seed: int = field(default=0, validator=validators.ge(0), metadata=_help("Seed of weights, data and sampling."))
    checkpoint_every: int = field(
        default=500, validator=validators.ge(1), metadata=_help("Steps between checkpoints within a stage.")
    )
    keep: int = field(default=2, validator=validators.ge(1), metadata=_help("How many checkpoints are kept."))
    attention: str = field(
        default="sdpa@1",
        metadata=_help("The kernel that computes attention, a component of kind kernel, or `auto`."),
    )
    workers: int = field(
        default=1,
        validator=validators.ge(0),
        metadata=_help("Processes that read and prepare batches ahead; 0 does it between the steps."),
    )
    strict: bool = field(
        default=False,
        metadata=_help("Stop at a sample that cannot be read, which is otherwise counted, listed and passed over."),
    )
    best: str = field(
        default="",
        metadata=_help("Name of a loss: the stage's checkpoint with the least of it is kept beside the newest."),
    )
    parallel: Literal["replicate", "shard", "hybrid"] = field(
        default="replicate",
        metadata=_help(
            "What several processes do: each holds all weights, each holds a share, or each group of `shards` does."
        ),
    )
    shards: int = field(
        default=0,
        validator=validators.ge(0),
        metadata=_help("Processes that hold the weights together where `parallel` is hybrid; 0 is those of a machine."),
    )
