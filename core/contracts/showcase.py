"""What is shown of a model: pictures with verdicts, questions with answers, samples of a run. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from PIL.Image import Image


@frozen(eq=False)
class Drawn:
    """A prompt, the picture that was drawn for it, and what the benchmark's judge says: a few words for a reader."""

    prompt: str
    picture: Image
    correct: bool
    verdict: str


@frozen(eq=False)
class Answered:
    """A question about a picture, the model's answer, and the one that was expected."""

    picture: Image
    question: str
    answer: str
    expected: str
    correct: bool


@frozen(eq=False)
class Showcase:
    """Examples to look at: ``own`` are answers about pictures among ``drawn``, ``others`` about the benchmark's own.

    Questions about one picture follow one another and hold the same picture object.
    """

    drawn: tuple[Drawn, ...] = ()
    own: tuple[Answered, ...] = ()
    others: tuple[Answered, ...] = ()


@frozen(eq=False)
class Samples:
    """What a model in training makes of a few examples: one sheet with all pictures, and what it answers.

    ``answers``: (question, its answer, the answer of the data).
    """

    picture: Image | None = None
    answers: tuple[tuple[str, str, str], ...] = ()
