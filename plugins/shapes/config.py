"""The settings of the source and of the benchmark of shapes. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import field, frozen, validators

if TYPE_CHECKING:
    from attrs import Attribute


def _distinct(_: object, attribute: Attribute[tuple[str, ...]], values: tuple[str, ...]) -> None:
    if len(set(values)) != len(values):
        raise ValueError(f"{attribute.name} must not repeat a name, but is {', '.join(values)}")


@frozen(kw_only=True)
class ShapesConfig:
    """A stream of scenes, and the kind of conversation about them."""

    task: Literal["draw", "ask", "list", "read", "plan"] = field(
        default="draw",
        metadata={
            "help": "draw: a caption and its picture to draw; ask: a picture, questions and answers; list: a picture "
            "and lists of what it shows, without sentences; read: texts only; plan: a caption and the positions of its "
            "objects, in words only"
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
        metadata={"help": "number of objects in every picture, 1 to 4; 0 mixes all numbers"},
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
        validator=_distinct,
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

    def __attrs_post_init__(self) -> None:
        if self.noise and self.task != "draw":
            raise ValueError(f"noise {self.noise} is for the captions of task draw, but task is {self.task}")


def _setting(default: int, least: int, most: int, sentence: str) -> int:
    value: int = field(
        default=default, validator=[validators.ge(least), validators.le(most)], metadata={"help": sentence}
    )
    return value


@frozen(kw_only=True)
class BenchmarkConfig:
    """The numbers of drawings and questions, and the sampling settings, which are the recipe's by default."""

    categories: tuple[
        Literal["one_object", "two_objects", "counting", "colours", "position", "colour_attribution"], ...
    ] = field(
        default=(),
        validator=_distinct,
        metadata={"help": "categories of drawing prompts that are measured, whose mean is overall; all six if empty"},
    )
    question_types: tuple[Literal["yes_no", "how_many", "which_colour", "which_shape", "where", "left_of"], ...] = (
        field(
            default=(),
            validator=_distinct,
            metadata={"help": "types of questions that are measured, whose mean is overall; all six if empty"},
        )
    )
    objects: int = _setting(0, 0, 4, "number of objects in the pictures of questions, 1 to 4; 0 mixes all numbers")
    prompts: int = _setting(100, 1, 4096, "number of prompts in each category")
    pictures: int = _setting(4, 1, 256, "number of pictures per prompt")
    questions: int = _setting(
        200, 1, 100_000, "number of questions of each type; answers are balanced for multiples of ten"
    )
    seed: int = _setting(0, 0, 2**30, "random seed of prompts, pictures and questions")
    guidance: float | None = field(default=None, metadata={"help": "guidance scale; overrides the recipe's"})
    temperature: float | None = field(default=None, metadata={"help": "sampling temperature; overrides the recipe's"})
    top_k: int | None = field(
        default=None, metadata={"help": "sample from the K most likely codes; overrides the recipe's"}
    )


PRESETS = {"sample": {"prompts": 8, "pictures": 1, "questions": 30}}
"""A small benchmark, which the demo runs."""
