"""Settings of the source of documents."""

from __future__ import annotations

from attrs import field, frozen

from ..settings import FILES_HELP, StreamConfig, some


@frozen(kw_only=True)
class TextConfig(StreamConfig):
    """Which files, and which part of their records."""

    files: tuple[str, ...] = field(
        validator=some, metadata={"help": f"JSON, a record a line or a list of records: {FILES_HELP}"}
    )
    key: str = field(default="text", metadata={"help": "the key of the text in a record"})
