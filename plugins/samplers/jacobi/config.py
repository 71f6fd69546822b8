"""The settings of the sampler ``jacobi``. Torch-free."""

from __future__ import annotations

from attrs import field, frozen, validators
from janiform import Codes, CodesOrLatents, PortMismatch, Predicted

from ..config import AutoregressiveConfig


@frozen
class JacobiConfig(AutoregressiveConfig):
    """The settings of ``autoregressive``, whose pictures it draws in fewer forwards."""

    window: int = field(
        default=8,
        validator=[validators.ge(2), validators.le(256)],
        metadata={"help": "Number of places that one forward reads; more cost time and are accepted less often."},
    )

    def process(self, drawn: CodesOrLatents, predicted: Predicted) -> None:
        """No process, as codes are drawn in their order. Raises ``PortMismatch`` for what it does not draw."""
        if not isinstance(drawn, Codes):
            raise PortMismatch(
                f"sampler 'jacobi' draws codes, but the tokenizer has {drawn}: use a sampler of latents, such as 'flow'"
            )
        if drawn.depth > 1 or drawn.given or drawn.scales:
            raise PortMismatch(
                f"sampler 'jacobi' draws one code for every place, all of them itself, but the tokenizer has {drawn}: "
                "use sampler 'autoregressive', or 'scales' for codes of several scales"
            )
