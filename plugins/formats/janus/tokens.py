"""The special tokens of a directory, and the names of its roles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .settings import Settings

MEANINGS = {
    "begin": "the first token of every conversation",
    "end": "the last token of every answer",
    "pad": "the token for padding and unconditional prompts",
    "begin_of_image": "the token before every picture",
    "end_of_image": "the token after every picture",
    "placeholder": "the token at the positions of a picture",
}
"""Settings of the layout -> the purpose of their tokens."""

DEFAULTS = {
    "begin": "<｜begin▁of▁sentence｜>",
    "end": "<｜end▁of▁sentence｜>",
    "pad": "<｜▁pad▁｜>",
    "begin_of_image": "<begin_of_image>",
    "end_of_image": "<end_of_image>",
    "placeholder": "<image_placeholder>",
}

PRO_ROLES = ("<|User|>", "<|Assistant|>")
WORDS = ("User", "Assistant")


def special_tokens(names: Settings) -> Settings:
    """The tokens that a ``tokenizer_config.json`` names; some versions keep those of a family in a separate table."""
    more = names.values.get("extra_special_tokens")
    values = {**names.values, **more} if isinstance(more, dict) else names.values
    return Settings(values, names.file, names.problems)


class Tokenizer:
    """The tokens of ``tokenizer.json`` with their ids (the special ones alone, and all), and its largest id."""

    def __init__(self, folder: Path, problems: list[Any]) -> None:
        self.file = Settings.read(folder / "tokenizer.json", problems)
        self.special: dict[str, int] = {}
        self.ids: dict[str, int] = {}
        self.largest: tuple[int, str] = (-1, "")
        self.readable = bool(self.file.values)
        added = self.file.values.get("added_tokens") or []
        for token in added if isinstance(added, list) else []:
            if isinstance(token, dict) and isinstance(token.get("id"), int) and isinstance(token.get("content"), str):
                self.special[token["content"]] = token["id"]
        model = self.file.values.get("model")
        words = model.get("vocab") if isinstance(model, dict) else None
        if isinstance(words, dict):
            self.ids = {word: id for word, id in words.items() if isinstance(id, int)}
        self.ids |= self.special
        ids = {id: word for word, id in self.ids.items()}
        if ids:
            self.largest = max(ids), ids[max(ids)]

    def layout(self, named: Mapping[str, str], vocabulary: int) -> dict[str, Any]:
        """The settings of the Janus layout.

        ``named``: tokens by setting, where the directory's other files name them. Missing tokens, and ids without an
        embedding in the backbone, are problems.
        """
        tokens = DEFAULTS | {name: token for name, token in named.items() if token}
        if not self.readable:
            return {}
        self.check(tokens, MEANINGS, vocabulary, "a Janus model")
        return {**tokens, "roles": list(self.roles())}

    def check(self, tokens: Mapping[str, str], meanings: Mapping[str, str], vocabulary: int, family: str) -> None:
        """Add problems with special tokens that the file lacks, and with ids that have no embedding in the backbone.

        ``tokens``: by setting; ``meanings``: settings -> the purpose of their tokens; ``family``: the
        kind of model, as in "a Janus model".
        """
        for name in meanings:
            if tokens[name] not in self.special:
                message = f"lacks the special token '{tokens[name]}', {meanings[name]}"
                self.file.wrong("added_tokens", message, f"it is not the tokenizer of {family}")
        largest, word = self.largest
        if largest >= vocabulary:
            message = f"has the id {largest} ('{word}'), but the backbone has embeddings for ids below {vocabulary}"
            self.file.wrong("", message, "the tokenizer or vocab_size in config.json belongs to another model")

    def roles(self) -> tuple[str, str]:
        """The roles where no chat template writes them: special tokens in Janus-Pro, words in the first Janus."""
        return PRO_ROLES if all(role in self.special for role in PRO_ROLES) else WORDS
