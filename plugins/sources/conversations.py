"""Conversations about pictures, in the JSON formats of LLaVA, OpenAI, transformers, Janus and ms-swift."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from janiform import Contents, Conversation, Epochs, UsageError

from .config import ConversationsConfig
from .dialogue import conversation_of
from .paths import data_path, sizes_of
from .records import Records, record_files
from .references import open_picture
from .turns import pictures_of, turns_of


class Conversations:
    """Conversations by index.

    Raises ``UsageError`` for files that hold no records, each with its line, and where the folder does not exist.
    """

    def __init__(self, config: ConversationsConfig) -> None:
        self.config = config
        self.folder: Path = data_path(config.images)
        if not self.folder.is_dir():
            raise UsageError(f"images: there is no folder '{self.folder}'")
        self.records = Records(record_files(config.files))
        self.epochs = Epochs(len(self.records), config.seed, config.shuffle, config.limit)
        self.length = self.epochs.length

    def contents(self) -> Contents:
        """The number of records, and the sizes of their files."""
        return Contents(len(self.records), sizes_of(self.records.files))

    def example(self, index: int) -> Conversation:
        """The turns of a record with its pictures, all of which must be readable."""
        record, location = self.records.read(self.epochs.at(index))
        return conversation_of(
            record,
            turns_of(record, location),
            pictures_of(record, location),
            partial(open_picture, folder=self.folder, location=location),
            location,
            pathway=self.config.pathway,
            placeholders=self.config.placeholders,
        )
