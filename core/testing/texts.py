"""Conformance tests of text tokenizers."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..contracts.factories import make
from ..errors import ComponentError
from .case import Case, require
from .common import keeps_its_config_through_a_recipe
from .small_model import TEXTS

_TEXTS = (*TEXTS, "", " ", "two  spaces\nand a line", "Größe 5 €, 日本語, 🙂", "<s> <image> </s>")
"""Texts that it was fitted to, and others, which a tokenizer of words need not keep."""


def _fitted(case: Case) -> Any:
    text = make(case.component, case.config, None)
    if not text.fitted:
        text.fit(TEXTS * 4)
    require(text.fitted is True, f"{case.name}: is not fitted after `fit`")
    return text


def keeps_texts(case: Case) -> None:
    """``decode`` gives the text that was encoded, where it was fitted to it; ids of any text are in range."""
    text = _fitted(case)
    for written in _TEXTS:
        ids = text.encode(written)
        require(all(isinstance(id, int) for id in ids), f"{case.name}: `encode` gives ids that are not int")
        require(
            all(id >= 0 and (not case.config.vocabulary or id < case.config.vocabulary) for id in ids),
            f"{case.name}: encodes {written!r} with ids outside of its vocabulary of {case.config.vocabulary}",
        )
        decoded = text.decode(ids)
        require(
            decoded == written or written not in TEXTS,
            f"{case.name}: decodes {decoded!r} where {written!r} was encoded",
        )


def refuses_unknown_tokens(case: Case) -> None:
    """``id_of`` raises ``ComponentError`` for a token that the vocabulary lacks."""
    text = _fitted(case)
    try:
        given = text.id_of("<no such token>")
    except ComponentError:
        return
    require(False, f"{case.name}: `id_of` gives {given} for a token that it does not have, expected a ComponentError")


def reads_what_it_saved(case: Case) -> None:
    """A folder in which it was saved, and a copy in another process, give the same ids."""
    text = _fitted(case)
    with tempfile.TemporaryDirectory() as name:
        text.save(Path(name))
        read = make(case.component, case.config, Path(name))
        require(read.fitted is True, f"{case.name}: does not find in a folder what `save` wrote there")
        for other in (read, pickle.loads(pickle.dumps(text))):
            for written in _TEXTS:
                require(
                    list(other.encode(written)) == list(text.encode(written)),
                    f"{case.name}: encodes {written!r} in another way after it was saved or sent to another process",
                )


TEXT_CHECKS: tuple[Callable[[Case], None], ...] = (
    keeps_texts,
    refuses_unknown_tokens,
    reads_what_it_saved,
    keeps_its_config_through_a_recipe,
)
