"""Settings of the source of pictures in class folders."""

from __future__ import annotations

from attrs import field, frozen

from ..settings import CaptionedConfig, some


@frozen(kw_only=True)
class ImageFolderConfig(CaptionedConfig):
    """Which folder, and what its classes are called."""

    folder: str = field(
        metadata={
            "help": "holds a folder for each class; a relative path starts at $JANIFORM_DATA, or where the command runs"
        }
    )
    names: str = field(
        default="",
        metadata={
            "help": 'a file with the names of the folders: JSON {"n01440764": "tench"}, or lines "n01440764 tench, x"; '
            "of several names the first is taken. Without it a folder's own name is that of its class"
        },
    )
    captions: tuple[str, ...] = field(
        default=("{name}",),
        validator=some,
        metadata={
            "help": 'what is said of a picture, "{name}" standing for the class: one of these, chosen by the seed'
        },
    )
    questions: tuple[str, ...] = field(
        default=("What is in the picture?",),
        validator=some,
        metadata={"help": "what is asked about a picture to look at: one of these, chosen by the seed"},
    )
