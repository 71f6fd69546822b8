"""One answer while it is generated: which part of its text is certain and may be shown."""

from __future__ import annotations

from ...contracts import TextTokenizer

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""How the bytes of an unfinished character are decoded."""


class Answer:
    """The text of one row.

    Not certain are the bytes of an unfinished character, a possible beginning of a stop string, and whitespace, which
    is dropped at both ends. What was shown is the beginning of ``text`` at any time, and all of it at the end.
    """

    def __init__(self, tokenizer: TextTokenizer, stop: tuple[str, ...] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = stop
        self._ids: list[int] = []
        self._settled = ""
        self._context = self._read = 0
        self._shown = 0
        self.text = ""
        self.finished = self.stopped = False  # ``stopped``: by one of the stop strings

    def add(self, id: int, *, last: bool, end: bool = False) -> str:
        """Add a token and return the text that became certain. ``end``: the token is the stop token."""
        if self.finished:
            return ""
        if not end:
            self._ids.append(id)
        text = self._decoded()
        cut = min((start for string in self._stop if (start := text.find(string)) >= 0), default=-1)
        self.stopped = cut >= 0
        self.finished = last or self.stopped
        whole = text if cut < 0 else text[:cut]
        self.text = whole.strip()
        certain = self.text if self.finished else self._certain(whole)
        added = certain[self._shown :]
        self._shown = max(self._shown, len(certain))
        return added

    def _decoded(self) -> str:
        """The text of all ids. Only the last few are decoded again, so that a long answer costs no more per token.

        They are decoded with the ids before them, whose own text is then cut off: a tokenizer may treat the first id
        that it is given differently from the others.
        """
        before = self._tokenizer.decode(self._ids[self._context : self._read])
        new = self._tokenizer.decode(self._ids[self._context :])[len(before) :]
        text = self._settled + new
        if new and not new.endswith(_INCOMPLETE):
            self._settled, self._context, self._read = text, self._read, len(self._ids)
        return text

    def _certain(self, text: str) -> str:
        text = text.rstrip(_INCOMPLETE)
        keep = len(text)
        for string in self._stop:
            for length in range(min(len(string) - 1, len(text)), 0, -1):
                if text.endswith(string[:length]):
                    keep = min(keep, len(text) - length)
                    break
        return text[:keep].strip()
