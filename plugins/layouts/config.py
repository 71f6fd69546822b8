"""The settings of the layouts. Torch-free."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen, validators
from janiform_plugins.validators import distinct

SYSTEM = (
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist the user with a variety of tasks using natural language."
)

JANUS_PRESETS = {"janus-pro": {"roles": ["<|User|>", "<|Assistant|>"]}, "janus": {"roles": ["User", "Assistant"]}}


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
        validator=distinct,
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
    sources: Literal["together", "last"] = field(
        default="together",
        metadata={
            "help": "where all but the first pathway of draws_from look at a picture: 'together' with the first, or "
            "'last' in the turn, which are copied most easily"
        },
    )
    full_pictures: bool = field(
        default=False,
        metadata={
            "help": "whether the positions of a picture attend to one another in both directions, as in Transfusion; "
            "codes that are drawn place by place never do"
        },
    )
    one_position: bool = field(
        default=False,
        metadata={"help": "whether all of a picture has one position for the backbone, instead of one per token"},
    )

    drawn_marks: bool = field(
        default=True,
        metadata={
            "help": "whether begin_of_image and end_of_image stand around a picture that is drawn; false in JanusFlow, "
            "whose pictures begin with the vector of the time"
        },
    )
    lead_marks: bool = field(
        default=False,
        metadata={
            "help": "whether the vector before the features of a picture that is looked at stands at the place of "
            "begin_of_image, as in JanusFlow"
        },
    )
    hide: bool = field(
        default=False,
        metadata={
            "help": "whether the blanked prompt of an unconditional row is hidden from all later positions but for its "
            "first token, as in JanusFlow; positions stay as they are"
        },
    )

    @property
    def full_blocks(self) -> bool:
        """Whether spans are full blocks."""
        return self.full_pictures

    def pathways(self) -> dict[str, str]:
        """The pathways that the settings name, all of which look."""
        return dict.fromkeys(self.draws_from, "look")


@frozen
class ChameleonLayoutConfig:
    """Special tokens of Chameleon; their ids always come from the text tokenizer."""

    begin: str = field(default="<s>", metadata={"help": "first token of every document"})
    end: str = field(default="</s>", metadata={"help": "last token of every answer"})
    pad: str = field(default="<pad>", metadata={"help": "token for padding"})
    end_of_turn: str = field(default="<reserved08706>", metadata={"help": "last token of every turn of the user"})
    begin_of_image: str = field(default="<racm3:break>", metadata={"help": "token before every picture"})
    end_of_image: str = field(default="<eoss>", metadata={"help": "token after every picture"})
    after_system: str = field(default="\n\n", metadata={"help": "text after a conversation's system text"})
    placeholder: str = field(
        default="<image>",
        metadata={"help": "token at the positions of a picture; '<reserved08707>' in files of the first release"},
    )


NEGATIVE = (
    "lowres, bad anatomy, bad hands, text, error, missing fingers, extra digit, fewer digits, cropped, worst quality, "
    "low quality, normal quality, jpeg artifacts, signature, watermark, username, blurry."
)
POSITIVE = " masterpiece, film grained, best quality."

EMU3_PRESETS = {"gen": {"positive": POSITIVE, "negative": NEGATIVE}, "chat": {}}
"""Emu3-Gen, as ``image_generation.py`` of its release prompts it, and Emu3-Chat."""


@frozen
class Emu3LayoutConfig:
    """Texts and special tokens of Emu3; the ids of tokens always come from the text tokenizer."""

    system: str = field(
        default="You are a helpful assistant.",
        metadata={"help": "system text of conversations that have none of their own and draw no picture"},
    )
    roles: tuple[str, str] = field(default=("USER", "ASSISTANT"), metadata={"help": "names of user and assistant"})
    after_user: str = field(default=". ", metadata={"help": "text between a user's turn and the next"})
    positive: str = field(default="", metadata={"help": "text after a prompt for a picture; in training there is none"})
    negative: str = field(
        default="", metadata={"help": "prompt of the unconditional row of guidance; empty for no text at all"}
    )
    begin: str = field(default="<|extra_203|>", metadata={"help": "first token of every document"})
    end: str = field(default="<|extra_204|>", metadata={"help": "last token of every answer"})
    pad: str = field(default="<|endoftext|>", metadata={"help": "token for padding"})
    begin_of_image: str = field(default="<|image start|>", metadata={"help": "token before the size of a picture"})
    begin_of_codes: str = field(
        default="<|image token|>", metadata={"help": "token between the size of a picture and its codes"}
    )
    end_of_codes: str = field(default="<|extra_201|>", metadata={"help": "token after the codes of a picture"})
    end_of_image: str = field(default="<|image end|>", metadata={"help": "last token of every picture"})
    placeholder: str = field(
        default="<image>",
        metadata={"help": "token at the positions of a picture; in the first release an unused one, '<|extra_0|>'"},
    )


def _asks(config: HarmonLayoutConfig, attribute: Any, value: str) -> None:
    if "{prompt}" not in value:
        raise ValueError(f"{attribute.name} {value!r} has no '{{prompt}}', in whose place the prompt stands")


@frozen
class HarmonLayoutConfig:
    """Texts and special tokens of Harmon; the ids of tokens always come from the text tokenizer, that of Qwen2.5."""

    start: str = field(default="<|im_start|>", metadata={"help": "token before the name of every role"})
    end: str = field(default="<|im_end|>", metadata={"help": "last token of every turn"})
    pad: str = field(default="<|endoftext|>", metadata={"help": "token for padding, and before a text without a user"})
    request: str = field(
        default="Generate an image: {prompt}",
        validator=_asks,
        metadata={"help": "what the user says to have a picture drawn; {prompt} stands for the prompt"},
    )
    unconditional: str = field(
        default="Generate an image.", metadata={"help": "the same of the unconditional row of guidance"}
    )


@frozen
class ShowOLayoutConfig:
    """Special tokens of Show-o; their ids always come from the text tokenizer, that of Phi 1.5 with further tokens."""

    draw: str = field(default="<|t2i|>", metadata={"help": "first token of a document that draws"})
    look: str = field(default="<|mmu|>", metadata={"help": "first token of a document that looks at a picture"})
    begin: str = field(default="<|endoftext|>", metadata={"help": "token before every text"})
    end: str = field(default="<|endoftext|>", metadata={"help": "token after every prompt and answer"})
    begin_of_image: str = field(default="<|soi|>", metadata={"help": "token before every picture"})
    end_of_image: str = field(default="<|eoi|>", metadata={"help": "token after every picture"})
    pad: str = field(default="[PAD]", metadata={"help": "token for padding"})
    roles: tuple[str, str] = field(
        default=("USER: \n", " ASSISTANT:"), metadata={"help": "texts before a question, and between it and its answer"}
    )
    longest_prompt: int = field(
        default=129,
        validator=validators.or_(validators.ge(4), validators.in_((0,))),
        metadata={
            "help": "maximum positions of a prompt for a picture, its three special tokens included; longer ones are "
            "cut; 0 means no limit"
        },
    )
    predict_marks: bool = field(
        default=False,
        metadata={
            "help": "whether the marks of a picture to draw are predicted at their own positions, as in the release"
        },
    )


@frozen
class BagelLayoutConfig:
    """Special tokens of BAGEL; their ids always come from the text tokenizer, that of Qwen2.5."""

    begin: str = field(default="<|im_start|>", metadata={"help": "token before every text"})
    end: str = field(default="<|im_end|>", metadata={"help": "token after every text"})
    pad: str = field(default="<|endoftext|>", metadata={"help": "token for padding, and at the positions of a picture"})
    begin_of_image: str = field(default="<|vision_start|>", metadata={"help": "token before every picture"})
    end_of_image: str = field(default="<|vision_end|>", metadata={"help": "token after every picture"})
    draws_from: tuple[str, ...] = field(
        default=(),
        validator=distinct,
        metadata={
            "help": "pathways through which a picture is looked at, one after the other, that another picture is drawn "
            "from: that of its latents and that of its features in BAGEL; empty for models that draw from a text alone"
        },
    )
    most_sources: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "maximum number of pictures that a picture is drawn from; 0 means no limit"},
    )

    @property
    def full_blocks(self) -> bool:
        """Whether spans are full blocks."""
        return True

    def pathways(self) -> dict[str, str]:
        """The pathways that the settings name, all of which look."""
        return dict.fromkeys(self.draws_from, "look")


@frozen
class TokenflowLayoutConfig:
    """Special tokens of TokenFlow's drawing model; their ids always come from the text tokenizer, Llama 2's."""

    begin: str = field(default="<s>", metadata={"help": "first token of every document"})
    end: str = field(default="</s>", metadata={"help": "last token of every document"})
    end_of_image: str = field(default="</img>", metadata={"help": "token after every picture"})
    pad: str = field(default="<unk>", metadata={"help": "token for padding and at the positions of a picture"})
    longest_prompt: int = field(
        default=128,
        validator=validators.or_(validators.ge(2), validators.in_((0,))),
        metadata={
            "help": "maximum positions of a prompt, its first token included; longer ones are cut; 0 means no limit"
        },
    )
    negative: str = field(
        default="", metadata={"help": "prompt of the unconditional row of guidance; empty for no text at all"}
    )
