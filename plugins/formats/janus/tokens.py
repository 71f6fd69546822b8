"""The special tokens of a directory, and how its model calls user and assistant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .settings import Settings

MEANINGS = {
    "begin": "which begins every conversation",
    "end": "which ends every answer",
    "pad": "which fills padding and blanked prompts",
    "begin_of_image": "which stands before every picture",
    "end_of_image": "which stands after every picture",
    "placeholder": "which stands in a picture's positions",
}
"""What the layout needs, by its settings."""

USUAL = {
    "begin": "<｜begin▁of▁sentence｜>",
    "end": "<｜end▁of▁sentence｜>",
    "pad": "<｜▁pad▁｜>",
    "begin_of_image": "<begin_of_image>",
    "end_of_image": "<end_of_image>",
    "placeholder": "<image_placeholder>",
}

PRO_ROLES = ("<|User|>", "<|Assistant|>")
WORDS = ("User", "Assistant")


class Tokenizer:
    """What ``tokenizer.json`` has: special tokens with their ids, and the largest id."""

    def __init__(self, folder: Path, problems: list[Any]) -> None:
        self.file = Settings.read(folder / "tokenizer.json", problems)
        self.special: dict[str, int] = {}
        self.largest: tuple[int, str] = (-1, "")
        self.known = bool(self.file.values)
        added = self.file.values.get("added_tokens") or []
        for token in added if isinstance(added, list) else []:
            if isinstance(token, dict) and isinstance(token.get("id"), int) and isinstance(token.get("content"), str):
                self.special[token["content"]] = token["id"]
        model = self.file.values.get("model")
        words = model.get("vocab") if isinstance(model, dict) else None
        ids = {id: word for word, id in words.items() if isinstance(id, int)} if isinstance(words, dict) else {}
        ids |= {id: word for word, id in self.special.items()}
        if ids:
            self.largest = max(ids), ids[max(ids)]

    def layout(self, named: Mapping[str, str], vocabulary: int, template: str = "") -> dict[str, Any]:
        """The settings of the Janus layout.

        ``named``: tokens by the layout's settings, where the directory's other files name them. Missing tokens, and ids
        for which the backbone has no embedding, are problems. ``template``: the chat template, where there is one.
        """
        tokens = USUAL | {name: token for name, token in named.items() if token}
        if not self.known:
            return {}
        lacking = [name for name in MEANINGS if tokens[name] not in self.special]
        for name in lacking:
            message = f"lacks the special token '{tokens[name]}', {MEANINGS[name]}"
            self.file.wrong("added_tokens", message, "this is not the tokenizer of a Janus model")
        largest, word = self.largest
        if largest >= vocabulary:
            message = f"has the id {largest} ('{word}'), but the backbone has embeddings for ids below {vocabulary}"
            self.file.wrong("", message, "the tokenizer or vocab_size in config.json belongs to another model")
        return {**tokens, "roles": list(self.roles(template))}

    def roles(self, template: str = "") -> tuple[str, str]:
        """Janus-Pro's roles are special tokens, the first Janus' are words.

        A chat template decides where there is one, by which of them it writes; else the tokenizer, by having the
        special tokens.
        """
        if template:
            return PRO_ROLES if PRO_ROLES[0] in template else WORDS
        return PRO_ROLES if all(role in self.special for role in PRO_ROLES) else WORDS
