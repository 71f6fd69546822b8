"""Settings of the source of conversations."""

from __future__ import annotations

from attrs import field, frozen

from ..settings import FILES_HELP, StreamConfig, some


@frozen(kw_only=True)
class ConversationsConfig(StreamConfig):
    """Which files, and where their pictures are."""

    files: tuple[str, ...] = field(
        validator=some, metadata={"help": f"JSON, a list of records or a record a line: {FILES_HELP}"}
    )
    images: str = field(default="", metadata={"help": "the folder at which the paths of pictures start"})
    pathway: str = field(default="understanding", metadata={"help": "the pathway that looks at the pictures"})
