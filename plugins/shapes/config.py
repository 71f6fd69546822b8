"""Settings of the source and of the benchmark of shapes."""

from __future__ import annotations

from typing import Literal

from attrs import Attribute, field, frozen, validators


def _distinct(_: object, attribute: Attribute[tuple[str, ...]], values: tuple[str, ...]) -> None:
    if len(set(values)) != len(values):
        raise ValueError(f"{attribute.name} are named once each, not {', '.join(values)}")


@frozen(kw_only=True)
class ShapesConfig:
    """Which stream of scenes, and what is said about them."""

    task: Literal["draw", "ask", "list", "read", "plan"] = field(
        default="draw",
        metadata={
            "help": "draw: a caption and its picture to draw; ask: a picture, questions and answers; list: a picture "
            "and what it shows, in listings without sentences; read: texts only; plan: a caption and where the things "
            "go that it names, in words only"
        },
    )
    seed: int = field(default=0, validator=validators.ge(0), metadata={"help": "which endless stream of scenes"})
    split: Literal["train", "held-out"] = field(
        default="train", metadata={"help": "train never shows the compositions that held-out always shows"}
    )
    objects: int = field(
        default=0,
        validator=[validators.ge(0), validators.le(4)],
        metadata={"help": "only pictures with so many objects, 1 to 4; 0 for all"},
    )
    questions: int = field(
        default=3,
        validator=validators.ge(1),
        metadata={"help": "most questions about one picture, turn by turn, or most listings of it"},
    )
    kinds: tuple[
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
            "help": "kinds of questions that are asked, by turns, one named twice twice as often; all, each once and "
            "yes_no twice, if empty or where the picture allows none of these"
        },
    )
    attributes: tuple[Literal["shape", "colour", "size", "place"], ...] = field(
        default=(),
        validator=_distinct,
        metadata={"help": "what a listing says of each object, in this order, and nothing else; by chance if empty"},
    )
    wording: Literal["varied", "full", "short"] = field(
        default="varied",
        metadata={
            "help": "full: a caption names size, colour, shape and place of every object, and a picture that is asked "
            "about is described so at the end; varied: captions say more or less, and nothing is described; short: as "
            "varied, but a listing says two attributes of each object, and no two listings of a picture the same two"
        },
    )


def _setting(default: int, least: int, most: int, sentence: str) -> int:
    value: int = field(
        default=default, validator=[validators.ge(least), validators.le(most)], metadata={"help": sentence}
    )
    return value


@frozen(kw_only=True)
class BenchmarkConfig:
    """How much is drawn and asked, and with which settings; what is not given is as the model's recipe says."""

    prompts: int = _setting(100, 1, 4096, "prompts of each of the six categories")
    pictures: int = _setting(4, 1, 256, "pictures of each prompt")
    questions: int = _setting(200, 1, 100_000, "questions of each of the six kinds; balanced where ten divides it")
    seed: int = _setting(0, 0, 2**30, "of prompts, pictures and questions")
    guidance: float | None = field(default=None, metadata={"help": "instead of the recipe's"})
    temperature: float | None = field(default=None, metadata={"help": "instead of the recipe's"})
    top_k: int | None = field(default=None, metadata={"help": "instead of the recipe's"})


PRESETS = {"sample": {"prompts": 8, "pictures": 1, "questions": 30}}
"""A quick look, as the demo takes it."""
