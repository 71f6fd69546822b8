"""The byte-level tokenizer: everything encodes, nothing typed becomes special, and learning it is repeatable."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform import ComponentError
from janiform_plugins.text.bpe import BpeTokenizer
from janiform_plugins.text.config import SPECIAL_TOKENS, BpeConfig
from tokenizers import Tokenizer

TEXTS = [
    f"a {colour} {shape} above the {shape}" for colour in ("red", "blue", "green") for shape in ("circle", "square")
]
LEARNED = BpeTokenizer(BpeConfig(vocabulary=320))
LEARNED.fit(TEXTS * 4)


@given(st.text())
def test_every_text_comes_back(text: str) -> None:
    assert LEARNED.decode(LEARNED.encode(text)) == text


@given(st.lists(st.sampled_from([*SPECIAL_TOKENS, "a", " ", "<", "|>"])).map("".join))
def test_no_typed_text_becomes_special(text: str) -> None:
    special = {LEARNED.id_of(token) for token in SPECIAL_TOKENS}
    ids = LEARNED.encode(text)
    assert not special & set(ids)
    assert LEARNED.decode(ids) == text


def test_common_words_are_single_tokens() -> None:
    for word in (" red", " blue", " circle", " square", " above"):
        assert len(LEARNED.encode(word)) == 1


def test_the_order_of_texts_does_not_matter(tmp_path: Path) -> None:
    shuffled = TEXTS * 4
    random.Random(0).shuffle(shuffled)
    again = BpeTokenizer(BpeConfig(vocabulary=320))
    again.fit(iter(shuffled))
    for number, tokenizer in enumerate((LEARNED, again)):
        (tmp_path / str(number)).mkdir()
        tokenizer.save(tmp_path / str(number))
    assert (tmp_path / "0/tokenizer.json").read_bytes() == (tmp_path / "1/tokenizer.json").read_bytes()


def test_special_tokens_are_left_out_of_text_and_known_by_name() -> None:
    end = LEARNED.id_of("<｜end▁of▁sentence｜>")
    assert LEARNED.decode([*LEARNED.encode("yes"), end]) == "yes"
    assert LEARNED.size <= 320
    with pytest.raises(ComponentError, match="no special token 'red'"):
        LEARNED.id_of("red")


def test_saved_pickled_and_read_again_it_is_the_same(tmp_path: Path) -> None:
    LEARNED.save(tmp_path)
    text = "a <|User|> red circle 世界"
    for tokenizer in (pickle.loads(pickle.dumps(LEARNED)), BpeTokenizer(BpeConfig(), tmp_path)):
        assert tokenizer.fitted
        assert tokenizer.encode(text) == LEARNED.encode(text)
    unfitted = pickle.loads(pickle.dumps(BpeTokenizer(BpeConfig())))
    assert not unfitted.fitted


def test_the_models_folder_goes_before_the_file(tmp_path: Path, official: Path) -> None:
    LEARNED.save(tmp_path)
    assert BpeTokenizer(BpeConfig(file=str(official)), tmp_path).size == LEARNED.size
    assert BpeTokenizer(BpeConfig(file=str(official / "tokenizer.json"))).size == 768


def test_an_official_file_is_read_as_its_own_library_reads_it(official: Path) -> None:
    reference = Tokenizer.from_file(str(official / "tokenizer.json"))
    ours = BpeTokenizer(BpeConfig(file=str(official)))
    for text in ("What is in this picture?", " Hello, 世界! 🙂\n\n", "x  y\t\n z", ""):
        assert ours.encode(text) == reference.encode(text, add_special_tokens=False).ids


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match="has no vocabulary yet"):
        BpeTokenizer(BpeConfig()).encode("x")
    with pytest.raises(ComponentError, match="need at least 264"):
        BpeTokenizer(BpeConfig(vocabulary=200)).fit(TEXTS)
    with pytest.raises(ComponentError, match=r"nothing.json cannot be read"):
        BpeTokenizer(BpeConfig(file=str(tmp_path / "nothing.json")))
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(ComponentError, match=r"broken.json is no tokenizer.json"):
        BpeTokenizer(BpeConfig(file=str(tmp_path / "broken.json")))
