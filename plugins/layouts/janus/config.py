"""The settings of the Janus layout."""

from __future__ import annotations

from attrs import field, frozen

SYSTEM = (
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist the user with a variety of tasks using natural language."
)

PRESETS = {"janus-pro": {"roles": ["<|User|>", "<|Assistant|>"]}, "janus": {"roles": ["User", "Assistant"]}}


@frozen
class JanusConfig:
    """Names of roles and special tokens; their ids always come from the text tokenizer."""

    roles: tuple[str, str] = field(
        default=("<|User|>", "<|Assistant|>"),
        metadata={"help": "How the user and the assistant are called: special tokens in Janus-Pro, words in Janus."},
    )
    system: str = field(
        default=SYSTEM,
        metadata={"help": "What precedes a conversation that brings no system text of its own and draws nothing."},
    )
    begin: str = field(default="<｜begin▁of▁sentence｜>", metadata={"help": "First token of every document."})
    end: str = field(default="<｜end▁of▁sentence｜>", metadata={"help": "Last token of every answer."})
    pad: str = field(default="<｜▁pad▁｜>", metadata={"help": "Fills padding, and blanked prompts."})
    begin_of_image: str = field(default="<begin_of_image>", metadata={"help": "Stands before every picture."})
    end_of_image: str = field(default="<end_of_image>", metadata={"help": "Stands after every picture."})
    between_lines: str = field(
        default="\n", metadata={"help": "Text between the rows of tiles of a picture that is cut up, and its overview."}
    )
    placeholder: str = field(default="<image_placeholder>", metadata={"help": "Stands in a picture's positions."})
