"""Conversations about pictures in a folder, as JSON in LLaVA's format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from janiform import Contents, Conversation, Epochs, PictureError, SampleError, UsageError, read_picture

from .config import ConversationsConfig
from .llava import conversation_of
from .paths import data_path, files_of, sizes_of
from .records import Records


class Conversations:
    """Conversations by index.

    Raises ``UsageError`` for files that are not JSON, each with its line, and where the folder does not exist.
    """

    def __init__(self, config: ConversationsConfig) -> None:
        self.config = config
        self.folder: Path = data_path(config.images)
        if not self.folder.is_dir():
            raise UsageError(f"images: the folder '{self.folder}' does not exist")
        self.records = Records(files_of(config.files))
        self.epochs = Epochs(len(self.records), config.seed, config.shuffle, config.limit)

    def contents(self) -> Contents:
        """The number of records, and the sizes of their files."""
        return Contents(len(self.records), sizes_of(self.records.files))

    def example(self, index: int) -> Conversation:
        """The turns of a record with its pictures, all of which must be readable."""
        record, location = self.records.read(self.epochs.at(index))
        pictures = []
        for name in _names(record, location):
            try:
                pictures.append(read_picture(self.folder / name))
            except PictureError as error:
                raise SampleError(f"{location}: {error}", error.kind) from None
        return conversation_of(
            record.get("conversations", record.get("messages")), pictures, location, self.config.pathway
        )


def _names(record: dict[str, Any], location: str) -> list[str]:
    names = record.get("image", record.get("images"))
    names = [] if names is None else [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise SampleError(f'{location}: "image" must be a path or a list of paths', "missing picture")
    return names
