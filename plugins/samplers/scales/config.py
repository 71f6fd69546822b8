"""The settings of the sampler ``scales``. Torch-free."""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen, validators

from ..config import AutoregressiveConfig


@frozen
class ScalesConfig(AutoregressiveConfig):
    """Next-scale prediction (VAR, arXiv:2404.02905) with TokenFlow's passes, whose scale g is a ``guidance`` of 1 + g.

    TokenFlow draws with top_k 600 and top_p 0.6; in two passes with 1200 and 0.8, then 1; in three with 1200 and 0.8,
    then 100 and 0.8, then 1.
    """

    by_scales: ClassVar[bool] = True

    ramp: bool = field(
        default=True,
        metadata={"help": "Guidance grows from none at the first scale to all of it at the last, as in VAR."},
    )
    again_top_k: tuple[int, ...] = field(
        default=(),
        converter=tuple,
        validator=[validators.max_len(8), validators.deep_iterable(validators.ge(0))],
        metadata={
            "help": "Number of the most likely codes in each further pass, which predicts a scale after the first once "
            "more from its own codes; 0 means no limit. None by default."
        },
    )
    again_top_p: tuple[float, ...] = field(
        default=(),
        converter=lambda values: tuple(float(value) for value in values),
        validator=validators.deep_iterable(validators.and_(validators.gt(0), validators.le(1))),
        metadata={"help": "The probability P of each further pass, as many as again_top_k; 1 for each by default."},
    )

    def __attrs_post_init__(self) -> None:
        if self.again_top_p and len(self.again_top_p) != len(self.again_top_k):
            raise ValueError(
                f"again_top_p has {len(self.again_top_p)} values for the {len(self.again_top_k)} further passes of "
                "again_top_k"
            )

    @property
    def passes(self) -> tuple[tuple[int, float], ...]:
        """The limits K and P of every pass over a scale, of which the first scale has only one."""
        further = self.again_top_p or (1.0,) * len(self.again_top_k)
        return ((self.top_k, self.top_p), *zip(self.again_top_k, further, strict=True))
