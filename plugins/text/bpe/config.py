"""The settings of the byte-pair tokenizer."""

from __future__ import annotations

from attrs import field, frozen, validators

SPECIAL_TOKENS = (
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜▁pad▁｜>",
    "<begin_of_image>",
    "<end_of_image>",
    "<image_placeholder>",
    "<|User|>",
    "<|Assistant|>",
)
"""Those of Janus-Pro."""


@frozen
class BpeConfig:
    """Where the vocabulary comes from: the model's folder, else ``file``, else it is learned from the training text."""

    vocabulary: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "Upper bound of the ids, and how many to learn; 0 where a file says it."},
    )
    file: str | None = field(
        default=None,
        metadata={
            "help": "A tokenizer.json to start from, where the model's folder has none; relative to the recipe's file.",
            "path": True,
        },
    )
    special_tokens: tuple[str, ...] = field(
        default=SPECIAL_TOKENS,
        metadata={"help": "Special tokens that a learned vocabulary begins with, and that one started from is given."},
    )
