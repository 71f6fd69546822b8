"""The settings of the samplers that draw place by place."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

from attrs import field, frozen, validators
from janiform import Codes, CodesOrLatents, Guidance, PlaceValues, PortMismatch, Predicted

if TYPE_CHECKING:
    from janiform import Plan


@frozen
class GuidedConfig:
    """Classifier-free guidance, which all samplers have."""

    guidance: float = field(
        default=5.0,
        converter=float,
        metadata={"help": "Guidance scale: unconditional + guidance · (conditional − unconditional); 1 disables it."},
    )
    picture_guidance: float = field(
        default=1.0,
        converter=float,
        metadata={"help": "Guidance scale of the pictures of a prompt, which all rules but 'plain' use."},
    )
    rule: Literal["plain", "mixed", "nested", "stacked"] = field(
        default="plain",
        metadata={
            "help": "Guidance of prompts with pictures. plain: as for a text; mixed: picture_guidance weighs a row "
            "without the pictures' codes, as in Janus-4o; nested: it is that of the pictures alone, and guidance that "
            "of the text, as in InstructPix2Pix and Chameleon; stacked: guidance weighs a row without the text, and "
            "picture_guidance weighs the result against one without the pictures, as in BAGEL."
        },
    )

    def guide(self, plan: Plan, looks: Collection[str]) -> Guidance:
        """The guidance of prompts with pictures that are looked at through the pathways ``looks``."""
        if self.rule == "mixed":
            through_codes = {name for name in looks if plan.pathways[name].drawn is not None}
            return Guidance.mixed(self.guidance, self.picture_guidance, through_codes)
        if self.rule == "nested" and looks:
            return Guidance.nested(self.guidance, self.picture_guidance)
        if self.rule == "stacked":
            return Guidance.stacked(self.guidance, self.picture_guidance, looks)
        return Guidance.plain(self.guidance)


@frozen
class AutoregressiveConfig(GuidedConfig):
    """The settings of Janus are the defaults."""

    temperature: float = field(
        default=1.0,
        converter=float,
        validator=validators.ge(0),
        metadata={"help": "Divides the logits; 0 always takes the most likely code."},
    )
    top_k: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "Sample from the K most likely codes; 0 means no limit."},
    )
    top_p: float = field(
        default=1.0,
        converter=float,
        validator=[validators.gt(0), validators.le(1)],
        metadata={"help": "Sample from the most likely codes whose probabilities add up to P; 1 means no limit."},
    )


@frozen
class RegressionConfig(GuidedConfig):
    """Without randomness: a prompt has one picture. MetaMorph draws without guidance."""

    guidance: float = field(
        default=1.0,
        converter=float,
        metadata={"help": "Guidance scale: unconditional + guidance · (conditional − unconditional); 1 disables it."},
    )
    renorm: bool = field(
        default=True,
        metadata={"help": "Scale a guided prediction of a place to the length of the one without guidance."},
    )

    def process(self, drawn: CodesOrLatents, predicted: Predicted) -> None:
        """No process, as latents are drawn place by place. Raises ``PortMismatch`` for codes and for other heads."""
        if isinstance(drawn, Codes):
            raise PortMismatch(
                f"sampler 'regression' draws latents, but the tokenizer has {drawn}: use a sampler of codes, such as "
                "'autoregressive', or a tokenizer of latents, such as 'features'"
            )
        if not isinstance(predicted, PlaceValues):
            raise PortMismatch(
                f"sampler 'regression' needs a head that predicts single places, but the head gives {predicted}: use "
                "head 'regression'"
            )
