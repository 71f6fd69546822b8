"""Classifier-free guidance over rows of a picture that see all, some or nothing of its prompt. Torch-free.

w    the scale of guidance by the whole prompt or its text
v    the scale of guidance by the pictures of the prompt
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from attrs import field, frozen

from .arguments import number
from .errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

MAX_GUIDANCE = 1e6
"""Larger scales of guidance overflow where logits are float32 numbers of usual size."""

TEXT = "text"
"""What stands for the words of a prompt among the names of pathways."""

EVERYTHING = frozenset({"*"})
"""What an unconditional row does not see: words and pictures."""


def guidance_scale(value: object, name: str = "guidance") -> float:
    """The value. Raise ``UsageError`` unless it is a finite number; 1 disables guidance."""
    return number(
        name,
        value,
        f"a number from -{MAX_GUIDANCE:g} to {MAX_GUIDANCE:g} (1 disables it)",
        lambda value: abs(value) <= MAX_GUIDANCE,
    )


@frozen
class GuidanceRow:
    """One of the rows that a picture is drawn with.

    ``hidden``: what of its prompt the row does not see: ``"text"``, and names of pathways that look; ``EVERYTHING`` for
    an unconditional row. ``weight``: what its logits are multiplied by before they are added up.
    """

    weight: float
    hidden: frozenset[str] = frozenset()


def _rows(rows: Collection[GuidanceRow]) -> tuple[GuidanceRow, ...]:
    return tuple(row for row in rows if row.weight) or tuple(rows)[:1]


@frozen
class Guidance:
    """How the logits of a picture's rows are mixed. The weights add up to 1; rows of weight 0 are not computed."""

    rows: tuple[GuidanceRow, ...] = field(converter=_rows)

    def __attrs_post_init__(self) -> None:
        total = sum(row.weight for row in self.rows)
        if abs(total - 1) > 1e-6 * max(1, *(abs(row.weight) for row in self.rows)):
            raise UsageError(f"the weights of guidance rows must add up to 1, not to {total:g}")

    @classmethod
    def plain(cls, scale: float) -> Guidance:
        """uncond + w·(cond − uncond), arXiv:2207.12598."""
        scale = guidance_scale(scale)
        return cls((GuidanceRow(scale), GuidanceRow(1 - scale, EVERYTHING)))

    @classmethod
    def mixed(cls, scale: float, pictures: float, hidden: Collection[str]) -> Guidance:
        """uncond + w·(c − uncond) with c = (cond + v·part) / (1 + v), where ``part`` does not see ``hidden``.

        That of Janus-4o, whose ``part`` does not see the codes of the pictures.
        """
        scale, pictures = guidance_scale(scale), guidance_scale(pictures, "picture_guidance")
        if pictures == -1:
            raise UsageError("picture_guidance must not be -1, by which the rule 'mixed' cannot divide")
        if not hidden:
            return cls.plain(scale)
        share = scale / (1 + pictures)
        part = GuidanceRow(share * pictures, frozenset(hidden))
        return cls((GuidanceRow(share), part, GuidanceRow(1 - scale, EVERYTHING)))

    @classmethod
    def nested(cls, scale: float, pictures: float) -> Guidance:
        """uncond + v·(pictures − uncond) + w·(cond − pictures), where ``pictures`` does not see the text.

        That of InstructPix2Pix (arXiv:2211.09800) and of Chameleon.
        """
        scale, pictures = guidance_scale(scale), guidance_scale(pictures, "picture_guidance")
        part = GuidanceRow(pictures - scale, frozenset({TEXT}))
        return cls((GuidanceRow(scale), part, GuidanceRow(1 - pictures, EVERYTHING)))

    @classmethod
    def stacked(cls, scale: float, pictures: float, hidden: Collection[str]) -> Guidance:
        """part + v·(c − part) with c = textless + w·(cond − textless), where ``part`` does not see ``hidden``.

        That of BAGEL (arXiv:2505.14683), whose ``part`` sees no pictures and ``textless`` not the last text.
        """
        scale, pictures = guidance_scale(scale), guidance_scale(pictures, "picture_guidance")
        pictures = pictures if hidden else 1.0
        textless = GuidanceRow(pictures * (1 - scale), frozenset({TEXT}))
        return cls((GuidanceRow(pictures * scale), textless, GuidanceRow(1 - pictures, frozenset(hidden))))

    def __len__(self) -> int:
        return len(self.rows)

    def mix(self, logits: Tensor, strength: float = 1.0) -> Tensor:
        """Logits [rows·B, V], the B pictures of each row after one another, to [B, V]; one row as it is.

        ``strength``: 1 is the guidance itself, 0 the row that sees the whole prompt, and what is between mixes both.
        Raises ``UsageError`` for another strength than 1 where no row sees the whole prompt.
        """
        if strength != 1 and self.whole is None:
            raise UsageError("guidance of a changing strength needs the row that sees the whole prompt")
        if len(self.rows) == 1:
            return logits
        *others, base = logits.float().chunk(len(self.rows))
        mixed = base
        for weight, other in zip(self._weights(strength), others, strict=False):
            mixed = mixed + weight * (other - base)
        return mixed

    @property
    def whole(self) -> int | None:
        """The number of the row that sees the whole prompt; None where it is not computed."""
        return next((number for number, row in enumerate(self.rows) if not row.hidden), None)

    def _weights(self, strength: float) -> list[float]:
        """The weights of all rows at a strength."""
        weights = [row.weight for row in self.rows]
        if strength == 1:
            return weights
        return [strength * weight + (1 - strength) * (number == self.whole) for number, weight in enumerate(weights)]
