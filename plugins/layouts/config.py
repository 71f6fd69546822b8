"""The settings of the Janus layout. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen, validators

if TYPE_CHECKING:
    from attrs import Attribute

SYSTEM = (
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist the user with a variety of tasks using natural language."
)

PRESETS = {"janus-pro": {"roles": ["<|User|>", "<|Assistant|>"]}, "janus": {"roles": ["User", "Assistant"]}}


def _distinct(_: object, attribute: Attribute[tuple[str, ...]], values: tuple[str, ...]) -> None:
    if len(set(values)) != len(values):
        raise ValueError(f"{attribute.name} must not repeat a name, but is {', '.join(values)}")


@frozen
class JanusConfig:
    """Names of roles and special tokens; their ids always come from the text tokenizer."""

    roles: tuple[str, str] = field(
        default=("<|User|>", "<|Assistant|>"),
        metadata={"help": "names of user and assistant: special tokens in Janus-Pro, words in Janus"},
    )
    system: str = field(
        default=SYSTEM,
        metadata={"help": "system text of conversations that have none of their own and draw no picture"},
    )
    begin: str = field(default="<｜begin▁of▁sentence｜>", metadata={"help": "first token of every document"})
    end: str = field(default="<｜end▁of▁sentence｜>", metadata={"help": "last token of every answer"})
    pad: str = field(default="<｜▁pad▁｜>", metadata={"help": "token for padding and for unconditional prompts"})
    begin_of_image: str = field(default="<begin_of_image>", metadata={"help": "token before every picture"})
    end_of_image: str = field(default="<end_of_image>", metadata={"help": "token after every picture"})
    between_lines: str = field(
        default="\n", metadata={"help": "text between the rows of tiles of a tiled picture, and its overview"}
    )
    before_role: str = field(default="", metadata={"help": "text before the name of every role"})
    after_role: str = field(default=":", metadata={"help": "text after the name of every role"})
    before_content: str = field(default=" ", metadata={"help": "text between a role and a turn that is not empty"})
    after_user: str = field(default="\n\n", metadata={"help": "text between a user's turn and the next"})
    after_answer: str = field(
        default="", metadata={"help": "text between an answer and the next turn; empty for the token 'end'"}
    )
    before_system: str = field(default="", metadata={"help": "text before a conversation's own system text"})
    after_system: str = field(default="\n\n", metadata={"help": "text after a conversation's own system text"})
    start: str = field(
        default="", metadata={"help": "text before the first turn where a conversation has no system text of its own"}
    )
    placeholder: str = field(default="<image_placeholder>", metadata={"help": "token at the positions of a picture"})
    draws_from: tuple[str, ...] = field(
        default=(),
        validator=_distinct,
        metadata={
            "help": "pathways through which a picture is looked at, one after the other, that another picture is drawn "
            "from; empty for models that draw from a text alone"
        },
    )
    most_sources: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "maximum number of pictures that a picture is drawn from; 0 means no limit"},
    )
