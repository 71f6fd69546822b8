"""A conversation with a model, line after line: what is said, looked at and drawn is remembered until it is forgotten.

chat = Chat(janiform.load("janus-mini"))
chat.look("picture.png")
for piece in chat.say("how many squares are there?"):
    print(piece, end="", flush=True)
chat.draw("a red circle")
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import Problem, UsageError
from ..pictures import as_picture
from ..sequence.conversation import Content, Conversation, Look, Turn
from .answering import LONGEST, answer_all, checked, making_room, prompt_of, seeds_of
from .generate.prefix_cache import Past

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..model.unified_model import UnifiedModel
    from ..sequence.spans import Sequence as SpanSequence
    from .api import Model, PictureLike
    from .drawing import OnStep


class ContextError(UsageError):
    """The conversation fills the model's context: there is no room for an answer."""


class Chat:
    """A conversation that grows. What fails leaves it as it was.

    Only what is new is read: the keys and values of all that went before are kept, as long as nothing else wants their
    memory. After a change of the model's weights, ``forget``.

    Args:
        max_new_tokens: of an answer; fewer where the context has no room for so many.
        temperature, top_p: of the answers; 0 gives the likeliest.
        seed: of the first answer and of the first picture; every other one counts it up.
    """

    def __init__(
        self,
        model: Model,
        *,
        max_new_tokens: int = LONGEST,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.model = model
        self._settings = {"temperature": temperature, "top_p": top_p}
        self._longest = max_new_tokens
        self._seed = seed
        self._answers = self._drawings = 0
        self.forget()

    @property
    def conversation(self) -> Conversation | None:
        """What was said so far; None before anything is."""
        return Conversation(self._turns) if self._turns else None

    @property
    def waiting(self) -> int:
        """Pictures that the model will see with what is said next."""
        return len(self._looks)

    @property
    def context(self) -> int:
        """Tokens that a conversation may have."""
        return self.model.model.plan.hidden.context

    def can(self, mode: str) -> bool:
        """Whether the model has a pathway of this mode, ``"look"`` or ``"draw"``."""
        return any(shape.mode == mode for shape in self.model.model.plan.pathways.values())

    def forget(self) -> None:
        """Start afresh."""
        self._turns: tuple[Turn, ...] = ()
        self._looks: list[Look] = []
        self._drawn: Look | None = None
        self._past = Past()
        self.left = self.context

    def look(self, picture: PictureLike) -> Image:
        """Show the model a picture, together with what is said next; gives it as it will be seen.

        Raises ``PictureError`` where it cannot be read, ``UsageError`` where the model cannot look.
        """
        seen = as_picture(picture)
        self._looks.append(self._look(seen))
        return seen

    def draw(self, prompt: str, *, on_step: OnStep | None = None, **settings: Any) -> Image:
        """Draw a picture, and let the model see it with what is said next, if it can look.

        Of several that are drawn one after another it sees the last. The prompt is no part of the conversation.

        Raises ``UsageError`` where the prompt is empty or too long, or the model cannot draw.
        """
        seed = self._seed + self._drawings
        picture = making_room(
            lambda: self.model.generate(prompt, seed=seed, on_step=on_step, **settings)[0], self._past
        )
        self._drawings += 1
        if self.can("look"):
            self._looks = [look for look in self._looks if look is not self._drawn]
            self._drawn = self._look(picture)
            self._looks.append(self._drawn)
        return picture

    def say(self, text: str) -> Iterator[str]:
        """The answer to a text, in pieces as they come.

        What was answered is kept, also where it is no longer read to its end. What is answered with nothing is as if it
        had not been said.

        Raises:
            ContextError: there is no room for an answer.
            UsageError: the text is empty, too long or no Unicode, or a setting out of range.
        """
        text = checked(text, "text", self.context)
        if not text.strip():
            raise UsageError("there is nothing to answer: say something")
        seen: list[Content] = [piece for look in self._looks for piece in (look, "\n")]
        turn = Turn("user", (*seen, text))
        conversation = Conversation((*self._turns, turn))
        prompt = prompt_of(self.model.model, conversation)
        length = len(prompt)
        room = self.context - length
        if room < 1:
            raise ContextError(
                Problem(
                    f"the conversation would have {length} tokens with this, and the model's context of "
                    f"{self.context} has no room for an answer",
                    hint="say less, or forget the conversation",
                )
            )
        return self._answer(conversation, prompt, room)

    def _answer(self, conversation: Conversation, prompt: SpanSequence, room: int) -> Iterator[str]:
        said = ""
        settings = {"max_new_tokens": min(self._longest, room), "past": self._past, **self._settings}
        try:
            for piece in _stream(self.model.model, prompt, self._seed + self._answers, **settings):
                said += piece
                yield piece
        finally:
            if said.strip():
                self._answers += 1
                self._turns = (*conversation.turns, Turn("assistant", said.strip()))
                self._looks, self._drawn = [], None
                self.left = max(0, room - len(self.model.model.processor.text.encode(said)) - 1)

    def _look(self, picture: Image) -> Look:
        return Look(picture, self.model.pathway("look"))


class _Stopped(Exception):  # noqa: N818 - no error: nobody reads on
    pass


def _stream(model: UnifiedModel, prompt: SpanSequence, seed: int, **settings: Any) -> Iterator[str]:
    """The answer in pieces: it runs beside its reader, and ends where that one stops reading."""
    pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
    stopped = threading.Event()

    def hand_on(_: int, text: str) -> None:
        if stopped.is_set():
            raise _Stopped
        pieces.put(text)

    def work() -> None:
        try:
            answer_all(model, [prompt], seeds_of(seed, 1, "answers"), on_text=hand_on, **settings)
        except _Stopped:
            return
        except BaseException as error:
            pieces.put(error)
        else:
            pieces.put(None)

    worker = threading.Thread(target=work, name="answer", daemon=True)
    worker.start()
    try:
        while (piece := pieces.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        stopped.set()
        worker.join()
