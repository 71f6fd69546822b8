"""The objective `contrastive`: matching pictures and captions by the sigmoid loss of SigLIP (arXiv:2303.15343)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from janiform import Loss, UsageError, nearest
from torch import Tensor

from .config import ContrastiveConfig
from .matching import Matching
from .pairs import Pairs

if TYPE_CHECKING:
    from janiform import PathwayShape, Plan, UnifiedModel


class Contrastive(Matching):
    """Trains the encoder of a pathway that looks, see ``Matching``. The loss of pairs has the pathway's name."""

    name = "contrastive"

    def __init__(self, config: ContrastiveConfig, model: UnifiedModel) -> None:
        super().__init__(config, model)
        encoders = [name for name, shape in model.plan.pathways.items() if _has_encoder(model.plan, name, shape)]
        if config.pathway not in encoders:
            hint = nearest(config.pathway, encoders)
            raise UsageError(
                f"contrastive trains the encoder of '{config.pathway}', which has none" + (f" ({hint})" if hint else "")
            )
        self.matching = config.pathway
        path = config.encoder_of(model.plan)
        part = model.part(path)
        self.encoder = part if path.endswith(".encoder") else part.encoder
        self.add_towers(model.plan.parts[path].output.width)

    def losses(self, batch: Pairs) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """The loss by the pathway's name, per picture; and the fraction of pictures whose best caption is their own.

        With a decoder, also the cross-entropy of the captions, per token.
        """
        return self.match(self.encoder(batch.pixels), batch)


def _has_encoder(plan: Plan, name: str, shape: PathwayShape) -> bool:
    """Whether a pathway looks through an encoder, or through a tokenizer whose latents are the features of one."""
    if shape.mode != "look":
        return False
    return shape.drawn is None or hasattr(plan.parts[f"{name}.tokenizer"].use.config, "features")
