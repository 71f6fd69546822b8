"""Documents, one per JSON record."""

from __future__ import annotations

from janiform import Contents, Conversation, Epochs, Problem, SampleError, nearest

from .config import TextConfig
from .paths import files_of, sizes_of
from .records import Records, checked_text


class Text:
    """Documents by index. Raises ``UsageError`` for files that are not JSON, each with its line."""

    def __init__(self, config: TextConfig) -> None:
        self.config = config
        self.records = Records(files_of(config.files))
        self.epochs = Epochs(len(self.records), config.seed, config.shuffle, config.limit)

    def contents(self) -> Contents:
        """The number of records, and the sizes of their files."""
        return Contents(len(self.records), sizes_of(self.records.files))

    def example(self, index: int) -> Conversation:
        """One document."""
        record, location = self.records.read(self.epochs.at(index))
        key = self.config.key
        text = record.get(key)
        if not isinstance(text, str) or not text.strip():
            hint = "its value is empty, or not a text" if key in record else nearest(key, record)
            raise SampleError(Problem(f"{location}: there is no text in '{key}'", hint=hint), "no text")
        return Conversation.document(checked_text(text, location))
