"""Pictures with captions in records: JSON, Parquet, or a data set that `datasets` saved."""

from __future__ import annotations

from typing import Any

from janiform import Contents, Conversation, Epochs, Problem, SampleError, UsageError

from .config import CaptionsConfig
from .paths import data_path, sizes_of
from .pictures import captioned, choose
from .placeholders import check_text
from .records import Records, nearest_key, record_files
from .references import is_reference, open_picture
from .turns import AMBIGUOUS


class Captions:
    """Pictures by index.

    Raises ``UsageError`` for files that hold no records, each with its line, and where the folder does not exist.
    """

    def __init__(self, config: CaptionsConfig) -> None:
        self.config = config
        self.folder = data_path(config.images)
        if not self.folder.is_dir():
            raise UsageError(f"images: there is no folder '{self.folder}'")
        self.records = Records(record_files(config.files))
        self.epochs = Epochs(len(self.records), config.seed, config.shuffle, config.limit)
        self.length = self.epochs.length

    def contents(self) -> Contents:
        """The number of records, and the sizes of their files."""
        return Contents(len(self.records), sizes_of(self.records.files))

    def example(self, index: int) -> Conversation:
        """A picture and its caption."""
        record, location = self.records.read(self.epochs.at(index))
        caption = choose(self._captions(record, location), self.config.seed, index)
        check_text(caption, location, self.config.placeholders)
        key = self.config.picture
        value = record.get(key)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, list) and value:
            raise SampleError(f"{location}: '{key}' holds {len(value)} pictures for one caption", AMBIGUOUS)
        if not is_reference(value):
            hint = "" if key in record else nearest_key(key, record)
            message = f"{location}: there is no picture in '{key}'"
            raise SampleError(Problem(message, hint=hint), "missing picture")
        return captioned(self.config, index, open_picture(value, self.folder, location), caption)

    def _captions(self, record: dict[str, Any], location: str) -> list[str]:
        key = self.config.key
        value = record.get(key)
        texts = [text.strip() for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
        texts = [text for text in texts if text]
        if not texts:
            hint = "its value is empty, or not a text" if key in record else nearest_key(key, record)
            raise SampleError(Problem(f"{location}: there is no text in '{key}'", hint=hint), "no caption")
        return texts
