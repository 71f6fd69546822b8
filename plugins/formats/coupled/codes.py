"""The ids of codes in a vocabulary that has a token for each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..janus.settings import Settings
from ..janus.tokens import Tokenizer

MAP = "vocabulary_map"


def vocabulary_of(config: Settings, tokenizer: Tokenizer) -> Mapping[str, Any]:
    """The ids of all tokens: the config's, by which transformers finds codes, or else those of ``tokenizer.json``."""
    return config.table(MAP).values if MAP in config else tokenizer.ids


def first_id(vocabulary: Mapping[str, Any], code_of: Callable[[str], int | None], count: int, config: Settings) -> int:
    """The id of code 0, from which those of the other codes count up.

    ``code_of``: the code that a token stands for, or None; ``count``: the size of the codebook. Tokens that are missing
    or in another order are problems of the config.
    """
    ids = {code: id for token, id in vocabulary.items() if (code := code_of(token)) is not None}
    if ids.keys() != set(range(count)):
        config.wrong(MAP, f"has tokens for {len(ids)} codes, but the codebook in vq_config has {count}")
        return 0
    first = ids[0] if isinstance(ids[0], int) else 0
    moved = next((code for code in range(count) if ids[code] != first + code), None)
    if moved is not None:
        message = f"has the id {ids[moved]} for code {moved}, but janiform reads codes with consecutive ids only"
        config.wrong(MAP, message, f"that of code {moved} would be {first + moved}")
    return first
