"""The settings of the byte-pair tokenizer. Torch-free."""

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
"""The special tokens of Janus-Pro."""


@frozen
class BpeConfig:
    """The origin of the vocabulary: the model's folder, else ``file``, else it is learned from the training text."""

    vocabulary: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "number of ids to learn, and upper bound of those in a file; 0 takes the file's number"},
    )
    file: str | None = field(
        default=None,
        metadata={
            "help": "tokenizer.json to start from where the model's folder has none; relative to the recipe's file",
            "path": True,
        },
    )
    special_tokens: tuple[str, ...] = field(
        default=SPECIAL_TOKENS,
        metadata={"help": "special tokens of a learned vocabulary; tokens that a file lacks are added to it"},
    )
    complete: bool = field(
        default=False,
        metadata={
            "help": "whether special tokens that a file lacks are added whenever it is read, instead of when training "
            "begins"
        },
    )
