"""The settings of the source of shapes. Torch-free."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators
from janiform_plugins.validators import distinct


@frozen(kw_only=True)
class ShapesConfig:
    """A stream of scenes, and the kind of conversation about them."""

    task: Literal["draw", "ask", "list", "read", "plan", "edit"] = field(
        default="draw",
        metadata={
            "help": "draw: a caption and its picture to draw; ask: a picture, questions and answers; list: a picture "
            "and lists of what it shows, without sentences; read: texts only; plan: a caption and the positions of its "
            "objects, in words only; edit: a picture and an instruction to change it, and the changed picture to draw"
        },
    )
    seed: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "random seed, which selects an endless stream of scenes"},
    )
    split: Literal["train", "held-out"] = field(
        default="train",
        metadata={"help": "train never shows the held-out compositions; held-out always shows at least one"},
    )
    objects: int = field(
        default=0,
        validator=[validators.ge(0), validators.le(4)],
        metadata={
            "help": "number of objects in every picture, 1 to 4; 0 mixes all numbers; for task edit, that of the "
            "picture to change"
        },
    )
    questions: int = field(
        default=3,
        validator=validators.ge(1),
        metadata={"help": "maximum number of questions about one picture, one per turn, or of its lists"},
    )
    question_types: tuple[
        Literal[
            "yes_no",
            "yes_no_existence",
            "yes_no_number",
            "yes_no_relation",
            "how_many",
            "which_colour",
            "which_shape",
            "where",
            "left_of",
        ],
        ...,
    ] = field(
        default=(),
        metadata={
            "help": "types of questions, asked in turn; a type that is named twice is asked twice as often. If empty, "
            "or where the picture allows none of them: all types once, and yes_no twice",
            "renamed_from": "kinds",
        },
    )
    attributes: tuple[Literal["shape", "colour", "size", "place"], ...] = field(
        default=(),
        validator=distinct,
        metadata={"help": "attributes of each object in a list, in this order; random if empty"},
    )
    caption_style: Literal["varied", "full", "short"] = field(
        default="varied",
        metadata={
            "help": "full: captions name size, colour, shape and place of every object, and questions about a picture "
            "end with such a description; varied: captions name more or less, without descriptions; short: as varied, "
            "but a list has two attributes per object, and no two lists of a picture the same two",
            "renamed_from": "wording",
        },
    )
    noise: float = field(
        default=0.0,
        validator=[validators.ge(0), validators.le(1)],
        metadata={
            "help": "fraction of the pictures to draw whose caption describes another scene of the same split and "
            "number of objects, as captions from the web often do; only for task draw"
        },
    )

    edits: tuple[Literal["recolour", "move", "add", "remove", "swap", "resize"], ...] = field(
        default=(),
        metadata={
            "help": "kinds of edits, chosen at random; one that is named twice is chosen twice as often; all that the "
            "number of objects allows if empty; only for task edit"
        },
    )
    think: bool = field(
        default=False,
        metadata={
            "help": "before it draws, the assistant writes what changes and where, in a turn of its own; only for task "
            "edit"
        },
    )

    def __attrs_post_init__(self) -> None:
        if self.noise and self.task != "draw":
            raise ValueError(f"noise {self.noise} is for the captions of task draw, but task is {self.task}")
        if self.edits and self.task != "edit":
            raise ValueError(f"edits ({', '.join(self.edits)}) is for task edit, but task is {self.task}")
        if self.think and self.task != "edit":
            raise ValueError(f"think is for task edit, but task is {self.task}")
        if self.edits:
            from janiform_plugins.world.editing import check_kinds  # the world needs numpy, the settings do not

            check_kinds(self.edits, self.objects or None)
