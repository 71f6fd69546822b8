"""A text tokenizer of single characters, and pathways of given sizes, for layouts whose ids tests write out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen
from janiform import Codes, Features, Grid
from janiform.compose.plan import PathwayShape
from janiform_plugins.text.bpe import BpeTokenizer
from janiform_plugins.text.config import BpeConfig
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors


@pytest.fixture(scope="module")
def characters(tmp_path_factory: Any) -> Callable[..., BpeTokenizer]:
    """``characters({"<s>": 0}, first=100, begin="<s>")``: the id of a character is its code point + ``first``.

    Other libraries that read the file put ``begin`` before every text.
    """

    def make(special: Mapping[str, int], first: int, begin: str) -> BpeTokenizer:
        letters = {"Ġ": 32, "Ċ": 10} | {chr(code): code for code in range(33, 127)}
        vocabulary = {letter: first + code for letter, code in letters.items()} | dict(special)
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
        if begin:
            tokenizer.post_processor = processors.TemplateProcessing(
                single=f"{begin} $A", special_tokens=[(begin, special[begin])]
            )
        folder: Path = tmp_path_factory.mktemp("characters")
        tokenizer.save(str(folder / "tokenizer.json"))
        return BpeTokenizer(BpeConfig(special_tokens=()), folder)

    return make


@pytest.fixture
def tokenizer_of(tmp_path: Path) -> Callable[[BpeTokenizer], Tokenizer]:
    """The tokenizer of the library that reads the same file."""

    def read(text: BpeTokenizer) -> Tokenizer:
        text.save(tmp_path)
        return Tokenizer.from_file(str(tmp_path / "tokenizer.json"))

    return read


@frozen
class EndedCodes(Codes):
    """Codes of which some always stand at the same places."""

    given: Mapping[int, int] = field(factory=dict, hash=False)


@pytest.fixture(scope="session")
def pathway_of() -> Callable[..., PathwayShape]:
    """``pathway_of("draw", 2, 3)``: pictures of two rows and three columns of codes.

    ``ends``: whether a code that is given ends each row.
    """

    def make(mode: Any, height: int, width: int, *, ends: bool = False) -> PathwayShape:
        grid = Grid(height, width + ends)
        given = {row * grid.width + width: 16 for row in range(height)} if ends else {}
        return PathwayShape(
            mode=mode,
            tokens=grid.size,
            transform=lambda: lambda picture: picture,
            drawn=EndedCodes(vocabulary=16, grid=grid, width=4, given=given),
            features=Features(tokens=grid.size, width=8, grid=grid),
        )

    return make
