"""What the layouts have in common: their settings, the text tokenizer, the pathways, and the token of the padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from janiform import PathwayShape, TextTokenizer


class _Padded(Protocol):
    @property
    def pad(self) -> str: ...


Config = TypeVar("Config", bound=_Padded)


class TokenLayout(Generic[Config]):
    """A layout with special tokens, whose ids are looked up on use, since the text tokenizer may be fitted later."""

    def __init__(self, config: Config, text: TextTokenizer, pathways: Mapping[str, PathwayShape]) -> None:
        self.config = config
        self.text = text
        self.pathways = pathways

    @property
    def pad_id(self) -> int:
        return self.text.id_of(self.config.pad)
