"""Sequences that are too long for a row, cut so that the rest reads as it would in use."""

from __future__ import annotations

from .spans import Sequence, Span


def shortened(sequence: Sequence, length: int) -> Sequence | None:
    """The beginning of a sequence, in at most ``length`` positions.

    It ends within a text, never within a picture, and with a span that is predicted: a question whose answer was cut
    away is left out as well. None where nothing is left to predict.
    """
    spans: list[Span] = []
    room = length
    for span in sequence.spans:
        if span.length > room:
            # A full block is read as a whole, such as a picture with its marks.
            while span.block and spans and spans[-1].block == span.block:
                spans.pop()
            if span.kind == "text" and not span.block and room:
                spans.append(span.part(0, room))
            break
        spans.append(span)
        room -= span.length
    while spans and not spans[-1].loss:
        spans.pop()
    # No position precedes the first token of a document, so nothing predicts it.
    return Sequence(spans) if len(spans) > 1 or (spans and spans[0].length > 1) else None
