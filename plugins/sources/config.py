"""The settings of the sources. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen, validators

if TYPE_CHECKING:
    from attrs import Attribute

FILES_HELP = (
    "paths, in which * and ? stand for any characters, ** for any folders, {a,b} for either and {000..146} for all "
    "numbers between; relative paths start at $JANIFORM_DATA, or at the working directory"
)


def _texts(_: Any, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    """Validate that there is at least one text, and that no text is empty."""
    if not value or not all(item.strip() for item in value):
        raise ValueError("must hold at least one text, and no empty text")


RECORDS_HELP = (
    "JSON (a list of records, or one record per line), Parquet, or a folder that `datasets` saved or that holds Parquet"
)

PLACEHOLDERS_HELP = (
    "what to do with texts in which a placeholder of another format or medium stands, such as <video>: skip and list "
    "their samples, or train it as text"
)


@frozen(kw_only=True)
class StreamConfig:
    """The order and the number of samples."""

    shuffle: bool = field(default=True, metadata={"help": "use another order in every epoch, instead of file order"})
    seed: int = field(default=0, validator=validators.ge(0), metadata={"help": "random seed of orders and choices"})
    limit: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "number of samples to use, drawn by the seed (the first ones without shuffle); 0 uses all"},
    )


@frozen(kw_only=True)
class CaptionedConfig(StreamConfig):
    """What a picture with a caption is used for."""

    task: Literal["draw", "look"] = field(
        default="draw",
        metadata={
            "help": "draw: the caption is the prompt of the picture; look: it answers a question about the picture"
        },
    )
    questions: tuple[str, ...] = field(
        default=("Describe the picture.",),
        validator=_texts,
        metadata={"help": "questions for the task look; the seed chooses one per picture"},
    )
    pathway: str = field(
        default="", metadata={"help": "pathway that looks or draws; by default understanding or generation"}
    )


@frozen(kw_only=True)
class WebDatasetConfig(CaptionedConfig):
    """Tar shards, and the members that hold the captions."""

    files: tuple[str, ...] = field(validator=_texts, metadata={"help": f"the shards: {FILES_HELP}"})
    unpacked: str = field(
        default="",
        metadata={
            "help": "folder into which compressed shards (gzip, bzip2, xz) are decompressed once; without it they are "
            "refused"
        },
    )
    picture: str = field(
        default="",
        metadata={
            "help": 'extension of the member with the picture, "jpg"; by default the only picture of a sample, and all '
            "of them for turns"
        },
    )
    caption: str = field(
        default="",
        metadata={
            "help": 'extension of the member with the caption, "txt" or "json"; by default the only one of these in a '
            "sample"
        },
    )
    key: str = field(
        default="caption",
        metadata={
            "help": "where that member is JSON: key of the caption, of a list of captions to choose from, or of turns "
            "of a conversation"
        },
    )
    split: Literal["first", "last"] = field(
        default="first",
        metadata={
            "help": "dot at which a member's name is split into that of its sample and its extension: the first, as in "
            "WebDataset, or the last, for names with dots"
        },
    )
    placeholders: Literal["skip", "text"] = field(default="skip", metadata={"help": PLACEHOLDERS_HELP})


@frozen(kw_only=True)
class ConversationsConfig(StreamConfig):
    """Files of conversations, and the folder of their pictures."""

    files: tuple[str, ...] = field(validator=_texts, metadata={"help": f"{RECORDS_HELP}: {FILES_HELP}"})
    images: str = field(default="", metadata={"help": "folder at which the paths of pictures start"})
    pathway: str = field(default="understanding", metadata={"help": "pathway that looks at the pictures"})
    placeholders: Literal["skip", "text"] = field(default="skip", metadata={"help": PLACEHOLDERS_HELP})


@frozen(kw_only=True)
class TextConfig(StreamConfig):
    """Files of documents, and the key of their text."""

    files: tuple[str, ...] = field(validator=_texts, metadata={"help": f"{RECORDS_HELP}: {FILES_HELP}"})
    key: str = field(default="text", metadata={"help": "key of the text in a record"})


@frozen(kw_only=True)
class ImageFolderConfig(CaptionedConfig):
    """A folder with one folder per class, and the names of the classes."""

    folder: str = field(
        metadata={
            "help": "folder that holds one folder per class; a relative path starts at $JANIFORM_DATA, or at the "
            "working directory"
        }
    )
    names: str = field(
        default="",
        metadata={
            "help": 'file with the names of the classes: JSON {"n01440764": "tench"}, or lines "n01440764 tench, x"; '
            "of several names the first is used. Without it a class has the name of its folder"
        },
    )
    captions: tuple[str, ...] = field(
        default=("{name}",),
        validator=_texts,
        metadata={"help": 'captions, in which "{name}" stands for the class; the seed chooses one per picture'},
    )
    questions: tuple[str, ...] = field(
        default=("What is in the picture?",),
        validator=_texts,
        metadata={"help": "questions for the task look; the seed chooses one per picture"},
    )


@frozen(kw_only=True)
class CaptionsConfig(CaptionedConfig):
    """Files of records, each with a picture and a caption."""

    files: tuple[str, ...] = field(validator=_texts, metadata={"help": f"{RECORDS_HELP}: {FILES_HELP}"})
    images: str = field(default="", metadata={"help": "folder at which the paths of pictures start"})
    picture: str = field(default="image", metadata={"help": "key of the picture in a record"})
    key: str = field(
        default="text", metadata={"help": "key of the caption in a record, or of a list of captions to choose from"}
    )
    placeholders: Literal["skip", "text"] = field(default="skip", metadata={"help": PLACEHOLDERS_HELP})
