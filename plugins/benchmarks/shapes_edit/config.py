"""The settings of the benchmark of edits. Torch-free."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators
from janiform_plugins.validators import distinct


@frozen(kw_only=True)
class ShapesEditConfig:
    """The number of edits and the sampling settings, which are the recipe's by default."""

    kinds: tuple[Literal["recolour", "move", "add", "remove", "swap", "resize"], ...] = field(
        default=(),
        validator=distinct,
        metadata={"help": "kinds of edits that are measured, whose mean is overall; all six if empty"},
    )
    objects: int = field(
        default=0,
        validator=[validators.ge(0), validators.le(4)],
        metadata={
            "help": "number of objects in the pictures to change, 1 to 4; kinds that it does not allow are left out; "
            "0 takes 2, 3 and 4 in turn, and 1, 2 and 3 where one is added"
        },
    )
    edits: int = field(
        default=100,
        validator=[validators.ge(1), validators.le(100_000)],
        metadata={"help": "number of edits of each kind"},
    )
    pictures: int = field(
        default=1, validator=[validators.ge(1), validators.le(256)], metadata={"help": "number of pictures per edit"}
    )
    seed: int = field(
        default=0,
        validator=[validators.ge(0), validators.le(2**30)],
        metadata={"help": "random seed of edits and pictures"},
    )
    think: bool = field(
        default=False, metadata={"help": "the model writes what changes before it draws; for models trained so"}
    )
    guidance: float | None = field(default=None, metadata={"help": "guidance scale; overrides the recipe's"})
    temperature: float | None = field(default=None, metadata={"help": "sampling temperature; overrides the recipe's"})
    top_k: int | None = field(
        default=None, metadata={"help": "sample from the K most likely codes; overrides the recipe's"}
    )

    def __attrs_post_init__(self) -> None:
        if self.kinds and self.objects:
            from janiform_plugins.world.editing import check_kinds  # the world needs numpy, the settings do not

            check_kinds(self.kinds, self.objects)


PRESETS = {"sample": {"edits": 8}}
"""A small benchmark, which the demo runs."""
