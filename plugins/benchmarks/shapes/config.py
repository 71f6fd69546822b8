"""The settings of the benchmark of shapes. Torch-free."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators
from janiform_plugins.validators import distinct


def _setting(default: int, least: int, most: int, sentence: str) -> int:
    value: int = field(
        default=default, validator=[validators.ge(least), validators.le(most)], metadata={"help": sentence}
    )
    return value


@frozen(kw_only=True)
class ShapesBenchmarkConfig:
    """The numbers of drawings and questions, and the sampling settings, which are the recipe's by default."""

    categories: tuple[
        Literal["one_object", "two_objects", "counting", "colours", "position", "colour_attribution"], ...
    ] = field(
        default=(),
        validator=distinct,
        metadata={"help": "categories of drawing prompts that are measured, whose mean is overall; all six if empty"},
    )
    question_types: tuple[Literal["yes_no", "how_many", "which_colour", "which_shape", "where", "left_of"], ...] = (
        field(
            default=(),
            validator=distinct,
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
