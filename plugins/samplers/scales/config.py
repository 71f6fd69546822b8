"""The settings of the sampler ``scales``. Torch-free."""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen, validators

from ..config import AutoregressiveConfig


@frozen
class ScalesConfig(AutoregressiveConfig):
    """Next-scale prediction (VAR, arXiv:2404.02905) with TokenFlow's passes, whose scale g is a ``guidance`` of 1 + g.

    TokenFlow draws with top_k 600 and top_p 0.6; in two or three passes with 1200 and 0.8.
    """

    by_scales: ClassVar[bool] = True

    ramp: bool = field(
        default=True,
        metadata={"help": "Guidance grows from none at the first scale to all of it at the last, as in VAR."},
    )
    passes: int = field(
        default=1,
        validator=[validators.instance_of(int), validators.ge(1), validators.le(8)],
        metadata={
            "help": "Number of times that each scale but the first is predicted, further times from its own codes; "
            "the last of several passes takes the most likely codes."
        },
    )
    middle_top_k: int = field(
        default=100,
        validator=validators.ge(0),
        metadata={
            "help": "Sample from the K most likely codes in all passes but the first and the last; 0 means no limit."
        },
    )

    @property
    def limits(self) -> tuple[tuple[int, float], ...]:
        """The limits K and P of every pass of a scale, of which the first scale has only one."""
        if self.passes == 1:
            return ((self.top_k, self.top_p),)
        return ((self.top_k, self.top_p), *[(self.middle_top_k, self.top_p)] * (self.passes - 2), (1, 1.0))
