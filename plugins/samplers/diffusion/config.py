"""The settings of the sampler ``diffusion``. Torch-free."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen, validators
from janiform import Codes, CodesOrLatents, PortMismatch, Predicted, Values

from ..config import GuidedConfig
from .process import STEPS, DiffusionProcess


def _steps(config: DiffusionConfig, attribute: Any, value: int) -> None:
    if not 1 <= value <= STEPS:
        raise ValueError(f"{attribute.name} {value} is not a whole number from 1 to {STEPS}, the steps of training")


@frozen
class DiffusionConfig(GuidedConfig):
    """Diffusion in 1000 steps, of which drawing takes some at equal distances."""

    steps: int = field(
        default=250,
        validator=_steps,
        metadata={
            "help": f"Number of steps from noise to the picture, 1 to {STEPS}, at equal distances, as in Transfusion."
        },
    )
    eta: float = field(
        default=1.0,
        converter=float,
        validator=[validators.ge(0), validators.le(1)],
        metadata={"help": "New noise in every step: 1 is DDPM, 0 is DDIM, where the first noise decides everything."},
    )
    clip: float = field(
        default=0.0,
        converter=float,
        validator=validators.ge(0),
        metadata={"help": "Largest absolute value of the predicted latents in every step; 0 means no limit."},
    )

    before_text: float = field(
        default=0.0,
        converter=float,
        validator=[validators.ge(0), validators.le(1)],
        metadata={
            "help": "Largest share of the steps, in training, of pictures that a text with a loss follows, 0.5 in "
            "Transfusion: pictures that are looked at have noise then, and are predicted as well; 0 leaves them "
            "complete, and limits no others.",
            "training": True,
        },
    )

    def process(self, drawn: CodesOrLatents, predicted: Predicted) -> DiffusionProcess:
        """Noise of a random step, from which the head predicts the noise or the data."""
        if isinstance(drawn, Codes):
            raise PortMismatch(
                f"sampler 'diffusion' draws latents, but the tokenizer has {drawn}: use a sampler of codes, such as "
                "'autoregressive', or a tokenizer of latents, such as 'kl'"
            )
        if not isinstance(predicted, Values):
            raise PortMismatch(
                f"sampler 'diffusion' needs a head of values, but the head gives {predicted}: use one that predicts "
                "whole pictures, such as 'values'"
            )
        if predicted.of not in ("noise", "data"):
            raise PortMismatch(
                f"sampler 'diffusion' needs a head that predicts noise or data, but the head gives {predicted}: "
                "set 'of' of head 'values', or use sampler 'flow'"
            )
        return DiffusionProcess(predicted.of, self.before_text)
