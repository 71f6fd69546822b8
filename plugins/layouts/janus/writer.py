"""Puts spans together: text is gathered until something else follows, and encoded in one go as a tokenizer expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from janiform import Draw, Look, Sequence, Span

if TYPE_CHECKING:
    from janiform import TextTokenizer


class Writer:
    """Writes one sequence."""

    def __init__(self, text: TextTokenizer) -> None:
        self._text = text
        self._spans: list[Span] = []
        self._pending: list[str] = []

    def say(self, text: str) -> None:
        """Text, continuing what was said before."""
        self._pending.append(text)

    def flush(self, loss: bool = False) -> None:
        """Encode what was said so far; ``loss`` says whether it is to be predicted."""
        ids = self._text.encode("".join(self._pending)) if self._pending else []
        self._pending.clear()
        self._append(ids, loss)

    def special(self, token: str, *, loss: bool = False) -> None:
        """A special token; what was said before it is not to be predicted unless it was flushed as such."""
        self.flush()
        self._append([self._text.id_of(token)], loss)

    def picture(self, piece: Look | Draw, placeholder: str, tokens: int, *, loss: bool) -> None:
        self.flush()
        kind = "draw" if isinstance(piece, Draw) else "look"
        ids = (self._text.id_of(placeholder),) * tokens
        self._spans.append(Span(kind, ids, piece.pathway, piece.picture, loss=loss))

    def finished(self) -> Sequence:
        self.flush()
        return Sequence(self._spans)

    def _append(self, ids: list[int], loss: bool) -> None:
        if not ids:
            return
        last = self._spans[-1] if self._spans else None
        if last is not None and last.kind == "text" and last.loss == loss:
            self._spans[-1] = Span("text", (*last.ids, *ids), loss=loss)
        else:
            self._spans.append(Span("text", ids, loss=loss))
