"""The settings of the sampler ``flow``. Torch-free."""

from __future__ import annotations

from math import isfinite
from typing import Any, Literal

from attrs import field, frozen
from janiform import Codes, CodesOrLatents, PortMismatch, Predicted, Values

from ..config import GuidedConfig
from .process import FlowProcess

MAX_STEPS = 1000


def _steps(config: FlowConfig, attribute: Any, value: int) -> None:
    if not 1 <= value <= MAX_STEPS:
        raise ValueError(f"{attribute.name} {value} is not a whole number from 1 to {MAX_STEPS}")


def _shift(config: FlowConfig, attribute: Any, value: float) -> None:
    if not isfinite(value) or value <= 0:
        raise ValueError(f"{attribute.name} {value} is not a finite number above 0")


def _end(config: FlowConfig, attribute: Any, value: float) -> None:
    if value not in (0.0, 1.0):
        raise ValueError(f"{attribute.name} {value} is not 0 or 1, the times at which a picture can be without noise")


def _share(config: FlowConfig, attribute: Any, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{attribute.name} {value} is not a noise level from 0 to 1")


@frozen
class FlowConfig(GuidedConfig):
    """A picture x with noise of level s is (1 - s)·x + s·noise. Drawing starts at level 1 and ends at 0."""

    steps: int = field(
        default=50,
        validator=_steps,
        metadata={
            "help": f"Number of steps from noise to the picture, 1 to {MAX_STEPS}, at levels 1 - i/steps before the "
            "shift; the 50 timesteps of BAGEL are 49 steps."
        },
    )
    solver: Literal["euler", "heun"] = field(
        default="euler",
        metadata={
            "help": "euler reads the picture once per step; heun twice, and takes the mean of both velocities, but for "
            "the last step."
        },
    )
    shift: float = field(
        default=1.0,
        converter=float,
        validator=_shift,
        metadata={
            "help": "Shift of the noise levels while drawing, to shift·s / (1 + (shift - 1)·s); above 1 most steps are "
            "at high levels, as large pictures need (arXiv:2403.03206)."
        },
    )
    times: Literal["uniform", "logit-normal"] = field(
        default="uniform",
        metadata={
            "help": "Distribution of the noise levels in training; logit-normal is the sigmoid of a standard normal "
            "number, mostly in the middle.",
            "training": True,
        },
    )
    training_shift: float = field(
        default=1.0,
        converter=float,
        validator=_shift,
        metadata={"help": "Shift of the noise levels in training; 1 disables it.", "training": True},
    )
    data_at: float = field(
        default=1.0,
        converter=float,
        validator=_end,
        metadata={
            "help": "The time at which a picture has no noise: 1, where velocities lead from noise to data, as in "
            "JanusFlow; or 0, where they lead from data to noise, as in BAGEL. The embedding needs the same setting.",
            "training": True,
        },
    )
    before_text: float = field(
        default=0.0,
        converter=float,
        validator=_share,
        metadata={
            "help": "Largest noise level, in training, of pictures that a text with a loss follows, 0.5 in "
            "Transfusion: pictures that are looked at have noise then, and are predicted as well; 0 leaves them "
            "complete, and limits no others.",
            "training": True,
        },
    )
    guidance_above: float = field(
        default=0.0,
        converter=float,
        validator=_share,
        metadata={"help": "Noise level above which guidance is on; 0 for all, 0.4 in BAGEL."},
    )
    guidance_up_to: float = field(
        default=1.0,
        converter=float,
        validator=_share,
        metadata={"help": "Noise level up to which guidance is on; 1 for all."},
    )
    renorm: Literal["none", "global", "channel", "text_channel"] = field(
        default="none",
        metadata={
            "help": "Scale a guided prediction down to the length of the one without guidance, as in BAGEL: of the "
            "whole picture (global), of each place (channel), or of each place after the guidance of the text and "
            "before that of the pictures (text_channel), for the rules 'plain' and 'stacked'."
        },
    )

    def __attrs_post_init__(self) -> None:
        if self.renorm == "text_channel" and self.rule not in ("plain", "stacked"):
            raise ValueError(
                f"renorm 'text_channel' needs the rule 'stacked' or 'plain', not '{self.rule}': set rule, or renorm to "
                "'channel'"
            )

    def guided(self, level: float) -> bool:
        """Whether guidance is on at a noise level."""
        return self.guidance_above < level <= self.guidance_up_to

    def process(self, drawn: CodesOrLatents, predicted: Predicted) -> FlowProcess:
        """Noise of a random level, from which the head predicts velocities, the noise or the data."""
        if isinstance(drawn, Codes):
            raise PortMismatch(
                f"sampler 'flow' draws latents, but the tokenizer has {drawn}: use a sampler of codes, such as "
                "'autoregressive', or a tokenizer of latents, such as 'kl'"
            )
        if not isinstance(predicted, Values):
            raise PortMismatch(
                f"sampler 'flow' needs a head of values, but the head gives {predicted}: use one that predicts whole "
                "pictures, such as 'values'"
            )
        if predicted.of == "sample":
            raise PortMismatch(
                "sampler 'flow' needs a head that predicts velocity, noise or data, but the head draws each place by a "
                "process of its own"
            )
        return FlowProcess(predicted.of, self.times, self.training_shift, self.data_at, self.before_text)
