"""The layout of Emu3 (arXiv:2409.18869), as ``processing_emu3.py`` of its release writes it.

    {begin}{system} USER: {question}. ASSISTANT: {answer}{end}

A picture is ``{begin_of_image}`` + its rows and columns as the text ``90*90`` + ``{begin_of_codes}`` + its codes +
``{end_of_codes}{end_of_image}``; what ends its rows are codes that the visual tokenizer gives. A conversation that ends
with a picture to draw has no roles, as in Emu3-Gen: its prompt is followed by the picture. Texts are stripped. The
release has one question: further ones follow the end of the answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from janiform import ComponentError, Conversation, Draw, Grid, Look, Sequence, Span, Turn

from .base import TokenLayout
from .config import Emu3LayoutConfig
from .turns import Piece, parted, pictures_of, prompt_of, to_answer
from .writer import Writer

if TYPE_CHECKING:
    from janiform import PathwayShape, TextTokenizer


class Emu3Layout(TokenLayout[Emu3LayoutConfig]):
    """The layout of Emu3.

    Raises ``ComponentError`` for a pathway whose pictures have no rows and columns.
    """

    def __init__(self, config: Emu3LayoutConfig, text: TextTokenizer, pathways: Mapping[str, PathwayShape]) -> None:
        super().__init__(config, text, pathways)
        self._grids = {name: _grid(name, shape) for name, shape in pathways.items()}

    @property
    def stop_ids(self) -> tuple[int, ...]:
        return (self.text.id_of(self.config.end),)

    def render(self, conversation: Conversation, *, answer: bool = True) -> Sequence:
        """Render every turn.

        The loss covers the assistant's text with its end token, and the codes of its pictures, but not the tokens
        around a picture, which are always given. Without ``answer``, a last turn of the assistant is left out.
        """
        turns, writer = conversation.turns, self._begun()
        if conversation.is_document or (answer and any(isinstance(piece, Draw) for piece in turns[-1].content)):
            self._plain(writer, conversation.system or "", turns if answer else (), loss=answer)
        else:
            system = self.config.system if conversation.system is None else conversation.system
            self._chat(writer, system, turns if answer else to_answer(turns), loss=answer)
        return writer.finished()

    def drawing_prompt(self, prompt: str, pathway: str = "generation") -> Sequence:
        writer = self._begun()
        self._plain(writer, "", (Turn("user", prompt),), loss=False)
        writer.text(self.config.positive)
        self._open(writer, pathway)
        return writer.finished()

    def unconditional(self, sequence: Sequence) -> Sequence:
        """The picture's beginning without the prompt: after the negative prompt, or after nothing in training."""
        prompt, rest = prompt_of(sequence)
        ids = [id for span in prompt for id in span.ids]
        mark = self.text.id_of(self.config.begin_of_image)
        start = max((index for index, id in enumerate(ids) if id == mark), default=len(ids))
        negative = [] if rest or not self.config.negative else self.text.encode(self.config.negative)
        return Sequence((Span("text", (ids[0], *negative, *ids[start:])), *rest))

    def without(self, sequence: Sequence, hidden: Collection[str]) -> Sequence:
        """The sequence without its prompt where ``"text"`` is hidden, since pictures are drawn from texts alone."""
        return self.unconditional(sequence) if "text" in hidden else sequence

    def _begun(self) -> Writer:
        writer = Writer(self.text)
        writer.special(self.config.begin)
        return writer

    def _plain(self, writer: Writer, system: str, turns: Iterable[Turn], *, loss: bool) -> None:
        """Write the contents of turns one after the other; texts of two turns are on lines of their own."""
        follows = bool(system)
        writer.text(system.strip())
        for turn in turns:
            pieces, learned = parted(turn), loss and turn.role == "assistant"
            if follows and pieces and isinstance(pieces[0], str):
                writer.text("\n")
            if learned:
                writer.flush()
            self._pieces(writer, pieces, loss=learned)
            if learned and pieces:
                self._end(writer, pieces, loss=learned)
            follows = bool(pieces) and isinstance(pieces[-1], str)

    def _chat(self, writer: Writer, system: str, turns: Iterable[Turn], *, loss: bool) -> None:
        user, assistant = self.config.roles
        if system:
            writer.text(f"{system.strip()} ")
        for turn in turns:
            pieces = parted(turn)
            if turn.role == "user":
                writer.text(f"{user}: ")
                self._pieces(writer, pieces, loss=False)
                writer.text(self.config.after_user)
                continue
            writer.text(f"{assistant}:")
            writer.flush()
            if pieces and isinstance(pieces[0], str):
                writer.text(" ")
            self._pieces(writer, pieces, loss=loss)
            if pieces:
                self._end(writer, pieces, loss=loss)

    def _end(self, writer: Writer, pieces: list[Piece], *, loss: bool) -> None:
        writer.flush(loss)
        writer.special(self.config.end, loss=loss and not isinstance(pieces[-1], Draw))

    def _pieces(self, writer: Writer, pieces: Iterable[Piece], *, loss: bool) -> None:
        for piece in pieces:
            if isinstance(piece, str):
                writer.text(piece)
                continue
            writer.flush(loss)
            self._picture(writer, piece, loss=loss)

    def _picture(self, writer: Writer, piece: Look | Draw, *, loss: bool) -> None:
        tokens = self.pathways[piece.pathway].tokens
        for picture in pictures_of(piece):
            self._open(writer, piece.pathway)
            writer.picture(picture, self.config.placeholder, tokens, loss=loss and isinstance(picture, Draw))
            writer.special(self.config.end_of_codes)
            writer.special(self.config.end_of_image)

    def _open(self, writer: Writer, pathway: str) -> None:
        """Write what precedes the codes of a picture."""
        grid = self._grids[pathway]
        writer.special(self.config.begin_of_image)
        writer.text(f"{grid.height}*{grid.width}")
        writer.special(self.config.begin_of_codes)


def _grid(name: str, shape: PathwayShape) -> Grid:
    """The rows and columns of a picture without the codes that end its rows, which are given and not drawn."""
    grid = shape.features.grid if shape.codes is None else shape.codes.grid
    if grid is not None:
        given = getattr(shape.codes, "given", ())
        return Grid(grid.height, sum(place not in given for place in range(grid.width)))
    raise ComponentError(
        f"layout 'emu3' writes the rows and columns of every picture, but those of '{name}' have none: use an adapter "
        "that keeps the places of the encoder's features"
    )
