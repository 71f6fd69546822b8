"""Conversations about pictures in a folder, as JSON of LLaVA's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from janiform import Contents, Conversation, Epochs, PictureError, SampleError, UsageError, read_picture

from ..llava import conversation_of
from ..paths import data_path, files_of, sizes_of
from ..records import Records
from .config import ConversationsConfig


class Conversations:
    """Raises ``UsageError`` for files that are no JSON, each with its line, and for a folder that is none."""

    def __init__(self, config: ConversationsConfig) -> None:
        self.config = config
        self.folder: Path = data_path(config.images)
        if not self.folder.is_dir():
            raise UsageError(f"images: there is no folder '{self.folder}'")
        self.records = Records(files_of(config.files))
        self.epochs = Epochs(len(self.records), config.seed, config.shuffle, config.limit)

    def contents(self) -> Contents:
        """The records, and the files that they are in."""
        return Contents(len(self.records), sizes_of(self.records.files))

    def example(self, index: int) -> Conversation:
        """The record's turns with its pictures. Where one of several pictures is missing, the record cannot be used."""
        record, place = self.records.read(self.epochs.at(index))
        pictures = []
        for name in _names(record, place):
            try:
                pictures.append(read_picture(self.folder / name))
            except PictureError as error:
                raise SampleError(f"{place}: {error}", error.kind) from None
        return conversation_of(
            record.get("conversations", record.get("messages")), pictures, place, self.config.pathway
        )


def _names(record: dict[str, Any], place: str) -> list[str]:
    names = record.get("image", record.get("images"))
    listed = [] if names is None else [names] if isinstance(names, str) else names
    if not isinstance(listed, list) or not all(isinstance(name, str) and name for name in listed):
        raise SampleError(f'{place}: "image" must be a path or a list of paths', "missing picture")
    return listed
