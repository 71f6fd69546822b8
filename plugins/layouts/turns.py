"""Turns of a conversation as the pieces that layouts write, and the prompt of a sequence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from attrs import evolve
from janiform import Draw, Look, Sequence, Span, Turn

Piece = str | Look | Draw


def to_answer(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The turns as a prompt: they end with an empty turn of the assistant, in place of an answer."""
    return (*(turns[:-1] if turns[-1].role == "assistant" else turns), Turn("assistant", ()))


def stripped(turn: Turn) -> list[Piece]:
    """The pieces of a turn without whitespace at either end; pictures are not whitespace."""
    pieces = list(turn.content)
    while pieces and isinstance(pieces[0], str):
        pieces[0] = pieces[0].lstrip()
        if pieces[0]:
            break
        del pieces[0]
    while pieces and isinstance(pieces[-1], str):
        pieces[-1] = pieces[-1].rstrip()
        if pieces[-1]:
            break
        del pieces[-1]
    return pieces


def parted(turn: Turn) -> list[Piece]:
    """The pictures of a turn and the texts between them, without whitespace at the ends of each text."""
    pieces: list[Piece] = []
    for piece in turn.content:
        if isinstance(piece, str) and pieces and isinstance(pieces[-1], str):
            pieces[-1] += piece
        else:
            pieces.append(piece)
    texts = (piece.strip() if isinstance(piece, str) else piece for piece in pieces)
    return [piece for piece in texts if piece != ""]


def pictures_of(piece: Look | Draw) -> Iterator[Look | Draw]:
    """The picture of a piece, or each of its tiles in reading order."""
    if isinstance(piece, Draw):
        yield piece
        return
    for line in piece.lines:
        for picture in line:
            yield Look(picture, piece.pathway)


def prompt_of(sequence: Sequence) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """The spans before the first picture that is predicted, and those from it on; all and none where there is none."""
    spans = sequence.spans
    end = next((index for index, span in enumerate(spans) if span.kind == "draw" and span.loss), len(spans))
    return spans[:end], spans[end:]


def hidden(sequence: Sequence, pad: int) -> Sequence:
    """The sequence whose prompt is pads that no later position sees, but for its first token; as in JanusFlow."""
    prompt, rest = prompt_of(sequence)
    count = sum(span.length for span in prompt)
    if not count:
        return sequence
    first = Span("text", prompt[0].ids[:1] if prompt[0].kind == "text" else (pad,))
    unseen = (Span("text", (pad,) * (count - 1), seen_by="itself"),) if count > 1 else ()
    return Sequence((first, *unseen, *rest))


def positions_of(span: Span) -> tuple[Span, ...]:
    """The positions of a text as spans of their own; a picture as it is."""
    return tuple(evolve(span, ids=(id,)) for id in span.ids) if span.kind == "text" else (span,)


def joined(spans: Iterable[Span]) -> Iterator[Span]:
    """The same positions in as few spans as possible."""
    for kind, group in groupby(spans, key=lambda span: (span.kind, span.loss)):
        if kind[0] != "text":
            yield from group
            continue
        first, *others = group
        yield evolve(first, ids=(*first.ids, *(id for span in others for id in span.ids)))
