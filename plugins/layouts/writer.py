"""Spans of a sequence: text is collected until something else follows, then encoded at once, as tokenizers require."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from janiform import Draw, Look, Sequence, Span

if TYPE_CHECKING:
    from janiform import TextTokenizer


class Writer:
    """The spans of one sequence, in order."""

    def __init__(self, text: TextTokenizer) -> None:
        self._tokenizer = text
        self._spans: list[Span] = []
        self._pending: list[str] = []

    def text(self, text: str) -> None:
        """Append text to the pending text."""
        self._pending.append(text)

    def flush(self, loss: bool = False) -> None:
        """Encode the pending text; ``loss`` sets whether it is to be predicted."""
        ids = self._tokenizer.encode("".join(self._pending)) if self._pending else []
        self._pending.clear()
        self._append(ids, loss)

    def special(self, token: str, *, loss: bool = False) -> None:
        """Append a special token; text pending before it is encoded without loss."""
        self.flush()
        self._append([self._tokenizer.id_of(token)], loss)

    def picture(
        self,
        piece: Look | Draw,
        placeholder: str,
        tokens: int,
        *,
        loss: bool,
        mask: Literal["causal", "full"] = "causal",
        positions: Literal["each", "one"] = "each",
    ) -> None:
        """Append a picture; see ``janiform.Span`` for ``mask`` and ``positions``."""
        self.flush()
        kind: Literal["draw", "look"] = "draw" if isinstance(piece, Draw) else "look"
        ids = (self._tokenizer.id_of(placeholder),) * tokens
        self._spans.append(Span(kind, ids, piece.pathway, piece.picture, mask=mask, loss=loss, positions=positions))

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
