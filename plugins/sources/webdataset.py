"""Tar shards in WebDataset's format, with random access instead of streaming.

The position in the data is one integer for any number of workers and processes, and a resumed run continues with
exactly the next sample, which the streaming ``webdataset`` library cannot do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from attrs import frozen
from janiform import Contents, Conversation, Epochs, SampleError, UsageError, nearest, parse_json
from PIL import Image

from .config import WebDatasetConfig
from .dialogue import conversation_of
from .paths import data_path, files_of, sizes_of
from .pictures import captioned, choose, is_picture, picture_of
from .placeholders import check_text
from .references import open_picture
from .shards import Member, Shards
from .turns import AMBIGUOUS

_NO_CAPTION = "no caption"
_CAPTIONS = ("txt", "json")
"""Extensions of captions, where the recipe names none."""


@frozen
class _Turns:
    """The turns of a conversation, and the record that holds them."""

    record: dict[str, Any]
    turns: list[Any]


class WebDataset:
    """Samples by index.

    Raises ``UsageError`` for files that are not shards, and where no sample has a caption or a picture.
    """

    def __init__(self, config: WebDatasetConfig) -> None:
        self.config = config
        folder = data_path(config.unpacked) if config.unpacked else None
        self.shards = Shards(files_of(config.files), folder, config.split)
        self.epochs = Epochs(len(self.shards), config.seed, config.shuffle, config.limit)
        self.length = self.epochs.length
        self._caption = config.caption.lower().lstrip(".")
        self._picture = config.picture.lower().lstrip(".")
        extensions = self.shards.extensions
        for extension in filter(None, (self._caption, self._picture)):
            if extension not in extensions:
                raise UsageError(f"no sample of the shards has a member .{extension}{_hint(extension, extensions)}")
        if not self._caption and not any(map(_is_caption, extensions)):
            raise UsageError(f"no sample of the shards has a member .txt or .json{_hint('txt', extensions)}")
        if not self._picture and not any(map(is_picture, extensions)):
            raise UsageError(
                f"no sample of the shards has a picture; the extensions are {', '.join(sorted(extensions))}"
            )

    def contents(self) -> Contents:
        """The number of samples, and the sizes of the shards."""
        return Contents(len(self.shards), sizes_of(self.shards.files))

    def example(self, index: int) -> Conversation:
        """A picture and its caption, or a conversation about the pictures of a sample."""
        members = self.shards.sample(self.epochs.at(index))
        pictures = self._pictures(members)
        captions = self._captions(members, pictures)
        caption, text = self._read(captions, index)
        if isinstance(text, _Turns):
            return self._conversation(text, pictures, caption)
        if len(pictures) > 1:
            raise _several("pictures", pictures, "picture", caption)
        if not (self._picture and self._caption) and not _same_stem(pictures[0].extension, caption.extension):
            reason = f".{pictures[0].extension} and .{caption.extension} may not belong together"
            hint = f'picture = "{pictures[0].extension}" and caption = "{caption.extension}" take them as one sample'
            raise SampleError(f"{caption.name}: {reason}; {hint}", AMBIGUOUS)
        check_text(text, caption.name, self.config.placeholders)
        return captioned(self.config, index, picture_of(pictures[0]), text)

    def _pictures(self, members: Sequence[Member]) -> list[Member]:
        """The pictures of a sample, or the one that the recipe names."""
        wanted = self._picture
        pictures = [m for m in members if (m.extension == wanted if wanted else is_picture(m.extension))]
        if not pictures:
            lacking = f"the sample has no {f'.{wanted}' if wanted else 'picture'}"
            raise SampleError(f"{members[0].name}: {lacking}{self._dots(members, wanted)}", "missing picture")
        return pictures

    def _captions(self, members: Sequence[Member], pictures: Sequence[Member]) -> list[Member]:
        """The members that may hold the caption, or the one that the recipe names."""
        wanted = self._caption
        captions = [m for m in members if (m.extension == wanted if wanted else _is_caption(m.extension))]
        if not captions:
            # A shard that ends within a picture is reported as damaged, not as a sample without a caption.
            pictures[-1].read()
            lacking = f"the sample has no {f'.{wanted}' if wanted else '.txt or .json'}"
            raise SampleError(f"{members[0].name}: {lacking}{self._dots(members, wanted)}", _NO_CAPTION)
        return captions

    def _dots(self, members: Iterable[Member], wanted: str) -> str:
        """A hint for a name with dots: what stands after its first dot is taken as the extension."""
        for member in members:
            if self.config.split == "first" and wanted and member.extension.endswith(f".{wanted}"):
                return f' (names are split at their first dot, which gives .{member.extension}; see split = "last")'
        return ""

    def _read(self, captions: Sequence[Member], index: int) -> tuple[Member, str | _Turns]:
        """The caption or turns of a sample, and their member. Members that hold the same are one."""
        readings: list[tuple[Member, list[str] | _Turns]] = []
        errors: list[SampleError] = []
        for member in captions:
            try:
                readings.append((member, self._contents_of(member)))
            except SampleError as error:  # beside a caption, JSON is often something else
                errors.append(error)
        if not readings:
            raise errors[0]
        member, content = readings[0]
        if any(other != content for _, other in readings[1:]):
            raise _several("captions", [member for member, _ in readings], "caption", member)
        return member, content if isinstance(content, _Turns) else choose(content, self.config.seed, index)

    def _contents_of(self, member: Member) -> list[str] | _Turns:
        """The captions in a member, or the turns of a conversation."""
        try:
            text = member.read().decode("utf-8-sig")
            record: Any = parse_json(text, unique_keys=True) if member.extension.rpartition(".")[2] == "json" else text
        except UnicodeDecodeError:
            raise SampleError(f"{member.name} is not UTF-8", _NO_CAPTION) from None
        except ValueError as error:
            raise SampleError(f"{member.name} is not JSON: {error}", "no JSON") from None
        if isinstance(record, str):
            value: Any = record
        elif isinstance(record, dict) and self.config.key in record:
            value = record[self.config.key]
            if isinstance(value, list) and value and isinstance(value[0], dict):
                return _Turns(record, value)
        else:
            hint = _hint(self.config.key, record) if isinstance(record, dict) else ""
            raise SampleError(f"{member.name} has no '{self.config.key}'{hint}", _NO_CAPTION)
        texts = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
        texts = [text.strip() for text in texts if text.strip()]
        if not texts:
            raise SampleError(f"{member.name}: the caption is empty, or not a text", _NO_CAPTION)
        return texts

    def _conversation(self, content: _Turns, pictures: Sequence[Member], member: Member) -> Conversation:
        return conversation_of(
            content.record,
            content.turns,
            pictures,
            partial(_opened, location=member.name),
            member.name,
            pathway=self.config.pathway,
            placeholders=self.config.placeholders,
            max_unmarked=1,  # the others may be depth maps or edited versions
        )


def _opened(reference: Any, location: str) -> Image.Image:
    return picture_of(reference) if isinstance(reference, Member) else open_picture(reference, None, location)


def _is_caption(extension: str) -> bool:
    return extension.rpartition(".")[2] in _CAPTIONS


def _same_stem(first: str, second: str) -> bool:
    """Whether extensions may belong together: ``left.jpg`` and ``txt``, not ``left.jpg`` and ``right.txt``."""
    stems = first.rpartition(".")[0], second.rpartition(".")[0]
    return "" in stems or stems[0] == stems[1]


def _several(what: str, members: Sequence[Member], setting: str, near: Member) -> SampleError:
    extensions = ", ".join(f".{member.extension}" for member in members[:10])
    hint = f'{setting} = "{members[0].extension}" takes one of them'
    if any("." in member.extension for member in members):
        hint += ', and split = "last" splits names at their last dot'
    return SampleError(f"{near.name}: the sample has several {what}, {extensions}; {hint}", AMBIGUOUS)


def _hint(name: str, candidates: Iterable[str]) -> str:
    """The most similar name in brackets, or one that ends in it after a dot."""
    candidates = [candidate[:80] for candidate in candidates]
    dotted = next((candidate for candidate in candidates if candidate.endswith(f".{name}")), None)
    if dotted:
        return f' (names are split at their first dot, which gives .{dotted}; see split = "last")'
    hint = nearest(name, candidates)
    return f" ({hint})" if hint else ""
