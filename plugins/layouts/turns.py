"""Turns of a conversation as the pieces that layouts write, and the prompt of a sequence."""

from __future__ import annotations

from collections.abc import Iterator

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


def prompt_of(sequence: Sequence) -> tuple[list[int], tuple[Span, ...]]:
    """The ids before the first picture that is predicted, and the spans from it on; all ids where there is none."""
    ids: list[int] = []
    for index, span in enumerate(sequence.spans):
        if span.kind == "draw" and span.loss:
            return ids, sequence.spans[index:]
        ids += span.ids
    return ids, ()
