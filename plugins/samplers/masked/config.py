"""The settings of the masked sampler. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen, validators
from janiform import Codes, PortMismatch

from ..config import GuidedConfig

if TYPE_CHECKING:
    from janiform import CodesOrLatents, Predicted

    from .process import MaskedProcess


def _steps(config: MaskedConfig, attribute: Any, value: int) -> None:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{attribute.name} {value} is not a whole number of at least 1")


@frozen
class MaskedConfig(GuidedConfig):
    """MaskGIT (arXiv:2202.04200) as in Show-o, whose guidance scale g is a ``guidance`` of 1 + g."""

    steps: int = field(
        default=18,
        validator=_steps,
        metadata={"help": "Steps per picture, in each of which all its places are predicted."},
    )
    schedule: Literal["cosine", "linear", "square"] = field(
        default="cosine",
        validator=validators.in_(("cosine", "linear", "square")),
        metadata={
            "help": "Fraction of the places that is still hidden after the fraction r of the steps: cos(r·π/2), 1 − r "
            "or 1 − r²."
        },
    )
    temperature: float = field(
        default=1.0,
        converter=float,
        validator=[validators.ge(0), validators.le(1e6)],
        metadata={
            "help": "Weight of the Gumbel noise in the choice of places to keep; step k multiplies it by 1 − k/steps, "
            "so that it falls to 0. The codes themselves are sampled at temperature 1."
        },
    )

    def process(self, drawn: CodesOrLatents, predicted: Predicted) -> MaskedProcess:
        """How pictures of codes come about. Raises ``PortMismatch`` for what is not one code per place."""
        from .process import MaskedProcess

        if not isinstance(drawn, Codes):
            raise PortMismatch(f"sampler 'masked' draws codes, but the tokenizer has {drawn}: use sampler 'flow'")
        if drawn.depth != 1:
            raise PortMismatch(f"sampler 'masked' draws one code per place, but the tokenizer has {drawn}")
        if drawn.given:
            raise PortMismatch(
                f"sampler 'masked' draws every place, but {len(drawn.given)} places of {drawn} have a given code"
            )
        self.check_steps(drawn.tokens)
        return MaskedProcess()

    def check_steps(self, places: int) -> None:
        """Raise ``PortMismatch`` for more steps than a picture has places: each draws at least one."""
        if self.steps > places:
            raise PortMismatch(
                f"sampler 'masked' has {self.steps} steps for the {places} places of a picture, and each step draws at "
                f"least one: set 'steps' to at most {places}"
            )
