"""A conversation with a model, turn by turn: texts, answers and pictures are remembered until it is cleared.

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
from typing import TYPE_CHECKING, Any, cast

from ..arguments import MAX_SEED, shown, whole_number
from ..contracts import OnStep
from ..errors import Problem, UsageError
from ..pictures.read import as_picture
from ..sequence.conversation import Content, Conversation, Look, Turn
from .answering import DEFAULT_NEW_TOKENS, AnswerSettings, answer_all, checked_settings, retry_without, seeds_of
from .generate.prefix_cache import PrefixCache
from .prompts import check_text, prompt_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..model.unified_model import UnifiedModel
    from ..sequence.spans import Sequence as SpanSequence
    from .api import Model, PictureLike


class ContextError(UsageError):
    """The conversation fills the model's context, which has no room for an answer."""


class Chat:
    """A conversation that grows. A call that raises leaves it unchanged.

    Only new text and pictures are read: the keys and values of the earlier turns are kept as long as their memory is
    not needed for anything else. Call ``forget`` after a change of the model's weights.

    Args:
        max_new_tokens: the most tokens of an answer; fewer where the context has no room for them.
        temperature, top_p: how answers are sampled; temperature 0 is greedy.
        seed: seed of the first answer and of the first picture, counted up by one for each further one.
    """

    def __init__(
        self,
        model: Model,
        *,
        max_new_tokens: int = DEFAULT_NEW_TOKENS,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> None:
        if not hasattr(model, "reply_all"):
            raise UsageError(f"a chat needs a model of janiform.load, not {shown(model)}")
        self.model = model
        self._sampling = checked_settings({"temperature": temperature, "top_p": top_p})
        self._max_new_tokens = whole_number("max_new_tokens", max_new_tokens, 1)
        self._seed = whole_number("a seed", seed, high=MAX_SEED)
        self._answers = self._drawings = 0
        self.forget()

    @property
    def conversation(self) -> Conversation | None:
        """The turns so far; None where there are none."""
        return Conversation(self._turns) if self._turns else None

    @property
    def waiting(self) -> int:
        """The number of pictures that belong to the next user turn."""
        return len(self._looks)

    @property
    def context(self) -> int:
        """The most tokens of a conversation."""
        return self.model.model.plan.hidden.context

    def can(self, mode: str) -> bool:
        """Whether the model has a pathway of this mode, ``"look"`` or ``"draw"``."""
        return any(shape.mode == mode for shape in self.model.model.plan.pathways.values())

    def forget(self) -> None:
        """Start a new conversation."""
        self._turns: tuple[Turn, ...] = ()
        self._looks: list[Look] = []
        self._drawn: Look | None = None
        self._prefix = PrefixCache()
        self.left = self.context

    def look(self, picture: PictureLike) -> Image:
        """Add a picture to the next user turn; returns it as RGB.

        Raises ``PictureError`` where it cannot be read, ``UsageError`` where the model cannot look.
        """
        rgb = as_picture(picture)
        self._looks.append(self._look(rgb))
        return rgb

    @property
    def sources(self) -> list[Image]:
        """The pictures that the next one is drawn from: those that were looked at since the last turn or drawing.

        Empty where the model draws from a text alone.
        """
        if not self.model.model.processor.draws_from:
            return []
        return [cast("Image", look.picture) for look in self._looks if look is not self._drawn]

    def draw(self, prompt: str, *, on_step: OnStep | None = None, **settings: Any) -> Image:
        """Draw a picture, from ``sources`` where there are any, and add it to the next user turn if the model can look.

        Only the last of several drawings is added, in place of its sources. The prompt is not part of the conversation.

        Raises ``UsageError`` where the prompt is empty or too long, or the model cannot draw.
        """
        prompt = check_text(prompt, "prompt", self.context)
        if taken := [name for name in ("n", "seed") if name in settings]:
            raise UsageError(f"a chat draws one picture at a time and counts its seeds up: leave {taken[0]} out")
        seed, sources = self._seed + self._drawings, self.sources
        picture = retry_without(
            self._prefix,
            lambda: self.model.generate(prompt, pictures=sources, seed=seed, on_step=on_step, **settings)[0],
        )
        self._drawings += 1
        if self.can("look"):
            used = {id(source) for source in sources}
            self._looks = [look for look in self._looks if look is not self._drawn and id(look.picture) not in used]
            self._drawn = self._look(picture)
            self._looks.append(self._drawn)
        return picture

    def say(self, text: str) -> Iterator[str]:
        """Answer a text, piece by piece as the answer is generated.

        The answer so far is kept where the caller stops reading. A turn whose answer is empty is not kept.

        Raises:
            ContextError: there is no room for an answer.
            UsageError: the text is empty, too long or not valid Unicode, or a setting is out of range.
        """
        text = check_text(text, "text", self.context)
        if not text.strip():
            raise UsageError("the text is empty, so there is nothing to answer")
        pictures: list[Content] = [piece for look in self._looks for piece in (look, "\n")]
        turn = Turn("user", (*pictures, text))
        conversation = Conversation((*self._turns, turn))
        prompt = prompt_of(self.model.model, conversation)
        length = len(prompt)
        room = self.context - length
        if room < 1:
            raise ContextError(
                Problem(
                    f"the conversation would have {length} tokens with this text, and the model's context of "
                    f"{self.context} has no room for an answer",
                    hint="shorten the text, or start a new conversation",
                )
            )
        return self._answer(conversation, prompt, room)

    def _answer(self, conversation: Conversation, prompt: SpanSequence, room: int) -> Iterator[str]:
        answer = ""
        settings: AnswerSettings = {"max_new_tokens": min(self._max_new_tokens, room), **self._sampling}
        try:
            for piece in _stream(self.model.model, prompt, self._seed + self._answers, settings, self._prefix):
                answer += piece
                yield piece
        finally:
            if answer.strip():
                self._answers += 1
                self._turns = (*conversation.turns, Turn("assistant", answer.strip()))
                self._looks, self._drawn = [], None
                self.left = max(0, room - len(self.model.model.processor.text.encode(answer)) - 1)

    def _look(self, picture: Image) -> Look:
        return Look(picture, self.model.pathway("look"))


class _Stopped(Exception):  # noqa: N818 - not an error: the caller stopped reading
    pass


def _stream(
    model: UnifiedModel, prompt: SpanSequence, seed: int, settings: AnswerSettings, prefix: PrefixCache
) -> Iterator[str]:
    """The pieces of an answer, generated in a thread that ends when the caller stops reading."""
    pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
    stopped = threading.Event()

    def hand_on(_: int, text: str) -> None:
        if stopped.is_set():
            raise _Stopped
        pieces.put(text)

    def work() -> None:
        try:
            answer_all(model, [prompt], seeds_of(seed, 1, "answers"), settings, on_text=hand_on, prefix=prefix)
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
