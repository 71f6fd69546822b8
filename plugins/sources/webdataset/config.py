"""Settings of the source of tar shards."""

from __future__ import annotations

from attrs import field, frozen

from ..settings import FILES_HELP, CaptionedConfig, some


@frozen(kw_only=True)
class WebDatasetConfig(CaptionedConfig):
    """Which shards, and where the captions are in them."""

    files: tuple[str, ...] = field(validator=some, metadata={"help": f"the shards: {FILES_HELP}"})
    unpacked: str = field(
        default="",
        metadata={
            "help": "a folder into which compressed shards (gzip, bzip2, xz) are decompressed once; without it they "
            "are refused"
        },
    )
    caption: str = field(
        default="txt", metadata={"help": 'the ending of the member with the caption: "txt", "json", …'}
    )
    key: str = field(
        default="caption",
        metadata={
            "help": "where that member is JSON: the key of the caption, of a list of captions to choose from, or of "
            "turns as in LLaVA"
        },
    )
