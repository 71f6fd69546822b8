"""Settings of the source of shapes."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators


@frozen(kw_only=True)
class ShapesConfig:
    """Which stream of scenes, and what is said about them."""

    task: Literal["draw", "ask", "read"] = field(
        default="draw",
        metadata={
            "help": "draw: a caption and its picture to draw; ask: a picture, questions and answers; read: texts only"
        },
    )
    seed: int = field(default=0, validator=validators.ge(0), metadata={"help": "which endless stream of scenes"})
    split: Literal["train", "held-out"] = field(
        default="train", metadata={"help": "train never shows the compositions that held-out always shows"}
    )
    questions: int = field(
        default=3,
        validator=validators.ge(1),
        metadata={"help": "questions about one picture, turn by turn, where it asks"},
    )
