"""The settings of the sampler ``masked-latents``. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen, validators
from janiform import Codes, PortMismatch, Values

from ..config import GuidedConfig
from .process import MaskedLatentsProcess

if TYPE_CHECKING:
    from janiform import CodesOrLatents, Logits


def _steps(config: MaskedLatentsConfig, attribute: Any, value: int) -> None:
    if value < 1:
        raise ValueError(f"{attribute.name} {value} is not a whole number of at least 1")


@frozen
class MaskedLatentsConfig(GuidedConfig):
    """Masked autoregression: each step draws some places, in an order of the picture's own; the head samples them."""

    steps: int = field(
        default=64,
        validator=_steps,
        metadata={"help": "Steps per picture, in each of which some of its places are drawn, more in later steps."},
    )
    guidance_schedule: Literal["constant", "linear"] = field(
        default="constant",
        validator=validators.in_(("constant", "linear")),
        metadata={
            "help": "constant: the same guidance in all steps; linear: that share of it which the picture is drawn to "
            "after the step, as in MAR."
        },
    )
    temperature: float = field(
        default=1.0,
        converter=float,
        validator=[validators.ge(0), validators.le(1e6)],
        metadata={"help": "Factor of the noise that the head adds while it draws the values of a place."},
    )
    least_hidden: float = field(
        default=0.7,
        converter=float,
        validator=[validators.ge(0), validators.lt(1)],
        metadata={
            "help": "Smallest share of places that are hidden in training; shares near 1 are the most frequent.",
            "training": True,
        },
    )

    def process(self, drawn: CodesOrLatents, predicted: Logits | Values) -> MaskedLatentsProcess:
        """How pictures of latents come about. Raises ``PortMismatch`` for what is not drawn place by place."""
        if isinstance(drawn, Codes):
            raise PortMismatch(
                f"sampler 'masked-latents' draws latents, but the tokenizer has {drawn}: use a sampler of codes, such "
                "as 'masked', or a tokenizer of latents, such as 'kl'"
            )
        if not isinstance(predicted, Values) or predicted.of != "sample":
            raise PortMismatch(
                "sampler 'masked-latents' needs a head that draws each place by itself, such as 'diffusion', but the "
                f"head gives {predicted}"
            )
        self.check_steps(drawn.tokens)
        return MaskedLatentsProcess(self.least_hidden)

    def check_steps(self, places: int) -> None:
        """Raise ``PortMismatch`` for more steps than a picture has places: each draws at least one."""
        if self.steps > places:
            raise PortMismatch(
                f"sampler 'masked-latents' has {self.steps} steps for the {places} places of a picture, and each step "
                f"draws at least one: set 'steps' to at most {places}"
            )
