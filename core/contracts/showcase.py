"""Examples that show a model: pictures with verdicts, questions with answers, samples of a run. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from PIL.Image import Image


@frozen(eq=False)
class Drawn:
    """A prompt, the picture drawn for it, and the verdict of the benchmark's judge in a few words."""

    prompt: str
    picture: Image
    correct: bool
    verdict: str


@frozen(eq=False)
class Answered:
    """A question about a picture, the model's answer, and the expected one."""

    picture: Image
    question: str
    answer: str
    expected: str
    correct: bool


@frozen(eq=False)
class Showcase:
    """Examples to show: ``own`` are answers about pictures in ``drawn``, ``others`` about the benchmark's pictures.

    Questions about one picture are consecutive and hold the same picture object.
    """

    drawn: tuple[Drawn, ...] = ()
    own: tuple[Answered, ...] = ()
    others: tuple[Answered, ...] = ()


@frozen
class TokenizerQuality:
    """How well a visual tokenizer reconstructs ``pictures`` pictures of the data, and how it uses its codes.

    ``error``: the squared error of their pixels as a fraction of what it would be if each picture were its mean colour;
    0 is exact. ``vocabulary``: the number of codes, 0 of a tokenizer of latents. ``used`` and ``perplexity``: for each
    level of the codes, how many of them occur in these pictures, and the number of equally frequent codes that would
    have the same entropy.
    """

    error: float
    pictures: int
    vocabulary: int = 0
    used: tuple[int, ...] = ()
    perplexity: tuple[float, ...] = ()


@frozen(eq=False)
class Samples:
    """Samples of a model in training: one sheet with all pictures, and its answers.

    ``answers``: (question, answer, expected answer). ``tokenizer``: how good the visual tokenizer is that is trained.
    """

    picture: Image | None = None
    answers: tuple[tuple[str, str, str], ...] = ()
    tokenizer: TokenizerQuality | None = None
