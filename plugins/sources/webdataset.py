"""Tar shards in WebDataset's format, with random access instead of streaming.

The position in the data is one integer for any number of workers and processes, and a resumed run continues with
exactly the next sample, which the streaming ``webdataset`` library cannot do.
"""

from __future__ import annotations

from typing import Any

from janiform import Contents, Conversation, Epochs, SampleError, UsageError, nearest, parse_json

from .config import WebDatasetConfig
from .llava import conversation_of
from .paths import data_path, files_of, sizes_of
from .pictures import captioned, choose, is_picture, picture_of
from .shards import Member, Shards

_NO_CAPTION = "no caption"


class WebDataset:
    """Samples by index.

    Raises ``UsageError`` for files that are not shards, and where no sample has a caption or a picture.
    """

    def __init__(self, config: WebDatasetConfig) -> None:
        self.config = config
        folder = data_path(config.unpacked) if config.unpacked else None
        self.shards = Shards(files_of(config.files), folder)
        self.epochs = Epochs(len(self.shards), config.seed, config.shuffle, config.limit)
        self._caption = config.caption.lower().lstrip(".")
        extensions = self.shards.extensions
        if self._caption not in extensions:
            hint = nearest(self._caption, extensions)
            raise UsageError(f"no sample of the shards has a member .{self._caption}" + (f" ({hint})" if hint else ""))
        if not any(map(is_picture, extensions)):
            raise UsageError(
                f"no sample of the shards has a picture; the extensions are {', '.join(sorted(extensions))}"
            )

    def contents(self) -> Contents:
        """The number of samples, and the sizes of the shards."""
        return Contents(len(self.shards), sizes_of(self.shards.files))

    def example(self, index: int) -> Conversation:
        """A picture and its caption, or a conversation about the pictures of a sample."""
        members = self.shards.sample(self.epochs.at(index))
        by_extension = {member.extension: member for member in members}
        pictures = [member for member in members if is_picture(member.extension)]
        if not pictures:
            raise SampleError(f"{members[0].name}: the sample has no picture", "missing picture")
        if self._caption not in by_extension:
            # A shard that ends within a picture is reported as damaged, not as a sample without a caption.
            pictures[-1].read()
            raise SampleError(f"{members[0].name}: the sample has no .{self._caption}", _NO_CAPTION)
        member = by_extension[self._caption]
        text = self._text(member, index)
        if isinstance(text, list):
            return conversation_of(text, list(map(picture_of, pictures)), member.name, self.config.pathway)
        return captioned(self.config, index, picture_of(pictures[0]), text)

    def _text(self, member: Member, index: int) -> str | list[Any]:
        """The caption in a member, or the turns of a conversation."""
        try:
            text = member.read().decode("utf-8-sig")
            value = parse_json(text) if self._caption.rpartition(".")[2] == "json" else text
        except UnicodeDecodeError:
            raise SampleError(f"{member.name} is not UTF-8", _NO_CAPTION) from None
        except ValueError as error:
            raise SampleError(f"{member.name} is not JSON: {error}", "no JSON") from None
        if not isinstance(value, str):
            key = self.config.key
            if not isinstance(value, dict) or key not in value:
                hint = nearest(key, value) if isinstance(value, dict) else ""
                raise SampleError(f"{member.name} has no '{key}'" + (f" ({hint})" if hint else ""), _NO_CAPTION)
            value = value[key]
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return value
        texts = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
        texts = [text.strip() for text in texts if text.strip()]
        if not texts:
            raise SampleError(f"{member.name}: the caption is empty, or not a text", _NO_CAPTION)
        return choose(texts, self.config.seed, index)
