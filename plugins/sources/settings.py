"""Settings that several sources have."""

from __future__ import annotations

from typing import Any, Literal

from attrs import Attribute, field, frozen, validators


def some(_: Any, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    """A validator: at least one text, and none of them empty."""
    if not value or not all(item.strip() for item in value):
        raise ValueError("must hold at least one text, and no empty one")


FILES_HELP = (
    "paths, in which * and ? stand for any characters, ** for any folders, {a,b} for either and {000..146} for all "
    "numbers between; relative ones start at $JANIFORM_DATA, or where the command runs"
)


@frozen(kw_only=True)
class StreamConfig:
    """In which order samples come, and how many of them."""

    shuffle: bool = field(default=True, metadata={"help": "another order in every epoch, instead of that of the files"})
    seed: int = field(default=0, validator=validators.ge(0), metadata={"help": "of the orders, and of what is chosen"})
    limit: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "use only so many samples, drawn by the seed (the first ones without shuffle); 0 uses all"},
    )


@frozen(kw_only=True)
class CaptionedConfig(StreamConfig):
    """What becomes of a picture with a caption."""

    task: Literal["draw", "look"] = field(
        default="draw",
        metadata={
            "help": "draw: the caption is the prompt of the picture; look: it answers a question about the picture"
        },
    )
    questions: tuple[str, ...] = field(
        default=("Describe the picture.",),
        validator=some,
        metadata={"help": "what is asked about a picture to look at: one of these, chosen by the seed"},
    )
    pathway: str = field(
        default="", metadata={"help": "the pathway that looks or draws; the usual one where it is left out"}
    )
