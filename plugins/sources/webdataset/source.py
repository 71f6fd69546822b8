"""Tar shards as WebDataset writes them: random access instead of streaming.

The position of a stream is then one integer, whatever the number of workers and processes, and a resumed run goes on
with exactly the next sample; the ``webdataset`` library, which streams, knows neither.
"""

from __future__ import annotations

import json
from typing import Any

from janiform import Contents, Conversation, Epochs, SampleError, UsageError, nearest

from ..llava import conversation_of
from ..paths import data_path, files_of, sizes_of
from ..pictures import captioned, chosen, is_picture, picture_of
from ..shards import Member, Shards
from .config import WebDatasetConfig

_NO_CAPTION = "no caption"


class WebDataset:
    """Raises ``UsageError`` for files that are no shards, and where no sample of them has a caption, or a picture."""

    def __init__(self, config: WebDatasetConfig) -> None:
        self.config = config
        folder = data_path(config.unpacked) if config.unpacked else None
        self.shards = Shards(files_of(config.files), folder)
        self.epochs = Epochs(len(self.shards), config.seed, config.shuffle, config.limit)
        self._caption = config.caption.lower().lstrip(".")
        endings = self.shards.endings
        if self._caption not in endings:
            hint = nearest(self._caption, endings)
            raise UsageError(f"no sample of the shards has a .{self._caption}" + (f" ({hint})" if hint else ""))
        if not any(map(is_picture, endings)):
            raise UsageError(f"no sample of the shards has a picture; the endings are {', '.join(sorted(endings))}")

    def contents(self) -> Contents:
        """The samples, and the shards that they are in."""
        return Contents(len(self.shards), sizes_of(self.shards.files))

    def example(self, index: int) -> Conversation:
        """A picture and its caption, or a conversation about the pictures of a sample."""
        members = self.shards.sample(self.epochs.at(index))
        by_ending = {member.ending: member for member in members}
        pictures = [member for member in members if is_picture(member.ending)]
        if not pictures:
            raise SampleError(f"{members[0].name}: there is no picture beside it", "missing picture")
        if self._caption not in by_ending:
            # A shard that ends in the middle of a picture has lost what would have followed it.
            pictures[-1].read()
            raise SampleError(f"{members[0].name}: there is no .{self._caption} beside it", _NO_CAPTION)
        member = by_ending[self._caption]
        said = self._said(member, index)
        if isinstance(said, list):
            return conversation_of(said, list(map(picture_of, pictures)), member.name, self.config.pathway)
        return captioned(self.config, index, picture_of(pictures[0]), said)

    def _said(self, member: Member, index: int) -> str | list[Any]:
        """The caption in a member, or the turns of a conversation."""
        try:
            text = member.read().decode("utf-8-sig")
            found = json.loads(text) if self._caption.rpartition(".")[2] == "json" else text
        except UnicodeDecodeError:
            raise SampleError(f"{member.name} is not UTF-8", _NO_CAPTION) from None
        except (ValueError, RecursionError) as error:
            raise SampleError(f"{member.name} is not JSON: {error}", "no JSON") from None
        if not isinstance(found, str):
            key = self.config.key
            if not isinstance(found, dict) or key not in found:
                keys = nearest(key, found) if isinstance(found, dict) else ""
                raise SampleError(f"{member.name} has no '{key}'" + (f" ({keys})" if keys else ""), _NO_CAPTION)
            found = found[key]
        if isinstance(found, list) and found and isinstance(found[0], dict):
            return found
        texts = [item for item in (found if isinstance(found, list) else [found]) if isinstance(item, str)]
        texts = [text.strip() for text in texts if text.strip()]
        if not texts:
            raise SampleError(f"{member.name}: the caption is empty, or no text", _NO_CAPTION)
        return chosen(texts, self.config.seed, index)
