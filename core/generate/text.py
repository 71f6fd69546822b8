"""Answers, token by token: one forward a token for all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from ..contracts import Backbone, TextTokenizer
from ..errors import UsageError
from ..sequence.spans import Sequence as SpanSequence
from .prompts import check_room, generating, read
from .sampling import Choice, uniforms

if TYPE_CHECKING:
    from ..model import UnifiedModel

OnText = Callable[[int, str], None]
"""Called with the number of a row and the text that was added to it, as soon as it is certain."""


def generate_text(
    model: UnifiedModel,
    prompts: Sequence[SpanSequence],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    stop: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    on_text: OnText | None = None,
) -> list[str]:
    """Continue every prompt, until the layout's stop token, one of the ``stop`` strings or ``max_new_tokens``.

    A row gives what it gives alone: greedily at temperature 0, else with its own seed. The text comes without its stop
    string, special tokens and blanks around it.

    Raises ``UsageError``, before anything is computed, for settings out of range and prompts that are too long.
    """
    choice = Choice(temperature=temperature, top_p=top_p)
    if max_new_tokens < 1:
        raise UsageError(f"max_new_tokens is at least 1, not {max_new_tokens}")
    if "" in stop:
        raise UsageError("a stop string cannot be empty")
    check_room(model, prompts, max_new_tokens, "new tokens")
    rows = len(prompts)
    noise = uniforms(rows, max_new_tokens, seeds).to(model.device) if choice.random else None
    backbone = cast(Backbone, model.part("backbone"))
    processor = model.processor
    ends = frozenset(processor.layout.stop_ids)
    answers = [Answer(processor.text, tuple(stop)) for _ in prompts]

    with generating(model):
        state = read(model, prompts, max_new_tokens)
        hidden = state.hidden
        for step in range(max_new_tokens):
            ids = choice(backbone.logits(hidden), None if noise is None else noise[step])
            for row, (answer, id) in enumerate(zip(answers, cast(list[int], ids.tolist()), strict=True)):
                added = answer.add(id, last=id in ends or step + 1 == max_new_tokens, end=id in ends)
                if added and on_text is not None:
                    on_text(row, added)
            if all(answer.finished for answer in answers) or step + 1 == max_new_tokens:
                break
            hidden = state.follow(backbone.embed(ids[:, None]), step)
    return [answer.text for answer in answers]


class Answer:
    """One row's text as it grows; tells which part of it is certain.

    Not certain are the bytes of an unfinished character, what may be the beginning of a stop string, and blanks, which
    are dropped at either end.
    """

    def __init__(self, tokenizer: TextTokenizer, stop: tuple[str, ...] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = stop
        self._ids: list[int] = []
        self._shown = 0
        self.text = ""
        self.finished = False

    def add(self, id: int, *, last: bool, end: bool = False) -> str:
        """Add a token, the ``last`` one perhaps, or the ``end`` mark; gives the text that became certain."""
        if self.finished:
            return ""
        if not end:
            self._ids.append(id)
        text = self._tokenizer.decode(self._ids)
        cut = min((found for string in self._stop if (found := text.find(string)) >= 0), default=-1)
        self.finished = last or cut >= 0
        whole = text if cut < 0 else text[:cut]
        self.text = whole.strip()
        certain = self.text if self.finished else self._certain(whole)
        added = certain[self._shown :]
        self._shown = max(self._shown, len(certain))
        return added

    def _certain(self, text: str) -> str:
        text = text.rstrip("�")
        keep = len(text)
        for string in self._stop:
            for length in range(min(len(string) - 1, len(text)), 0, -1):
                if text.endswith(string[:length]):
                    keep = min(keep, len(text) - length)
                    break
        return text[:keep].strip()
