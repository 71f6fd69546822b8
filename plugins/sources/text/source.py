"""Documents to read, a JSON record each."""

from __future__ import annotations

from janiform import Contents, Conversation, Epochs, Problem, SampleError, nearest

from ..paths import files_of, sizes_of
from ..records import Records
from .config import TextConfig


class Text:
    """Raises ``UsageError`` for files that are no JSON, each with its line."""

    def __init__(self, config: TextConfig) -> None:
        self.config = config
        self.records = Records(files_of(config.files))
        self.epochs = Epochs(len(self.records), config.seed, config.shuffle, config.limit)

    def contents(self) -> Contents:
        """The records, and the files that they are in."""
        return Contents(len(self.records), sizes_of(self.records.files))

    def example(self, index: int) -> Conversation:
        """One document."""
        record, place = self.records.read(self.epochs.at(index))
        key = self.config.key
        text = record.get(key)
        if not isinstance(text, str) or not text.strip():
            hint = "it is empty, or no text" if key in record else nearest(key, record)
            raise SampleError(Problem(f"{place}: there is no text in '{key}'", hint=hint), "no text")
        return Conversation.document(text)
