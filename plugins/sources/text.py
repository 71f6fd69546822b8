"""Documents, one per record."""

from __future__ import annotations

from janiform import Contents, Conversation, Epochs, Problem, SampleError

from .config import TextConfig
from .paths import sizes_of
from .placeholders import checked_text
from .records import Records, nearest_key, record_files


class Text:
    """Documents by index. Raises ``UsageError`` for files that hold no records, each with its line."""

    def __init__(self, config: TextConfig) -> None:
        self.config = config
        self.records = Records(record_files(config.files))
        self.epochs = Epochs(len(self.records), config.seed, config.shuffle, config.limit)
        self.length = self.epochs.length

    def contents(self) -> Contents:
        """The number of records, and the sizes of their files."""
        return Contents(len(self.records), sizes_of(self.records.files))

    def example(self, index: int) -> Conversation:
        """One document."""
        record, location = self.records.read(self.epochs.at(index))
        key = self.config.key
        text = record.get(key)
        if not isinstance(text, str) or not text.strip():
            hint = "its value is empty, or not a text" if key in record else nearest_key(key, record)
            raise SampleError(Problem(f"{location}: there is no text in '{key}'", hint=hint), "no text")
        return Conversation.document(checked_text(text, location))
