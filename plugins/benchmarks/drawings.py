"""What benchmarks of drawing have in common: requests, pictures in files, and lists of what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen
from janiform import Conversation, Drawn, Problem, Request, Showcase, Turn, UsageError, read_picture
from PIL import Image

from .recognise import DataFiles

if TYPE_CHECKING:
    from janiform import Model

Progress = Callable[[str, int, int], None]
Output = str | Image.Image


def drawing_requests(
    prompts: Iterable[tuple[str, str]], pictures: int, seed: int, settings: Mapping[str, Any]
) -> list[Request]:
    """One request per picture: ``key/0`` to ``key/3`` for each (key, prompt), with seeds that follow one another.

    Every prompt has the same seeds, so that the pictures of a prompt do not depend on the other prompts.
    """
    return [
        Request(
            f"{key}/{copy}",
            key,
            Conversation((Turn("user", text),)),
            draws=True,
            seed=seed + copy,
            settings=settings,
        )
        for key, text in prompts
        for copy in range(pictures)
    ]


def key_and_copy(item: str) -> tuple[str, int]:
    """The prompt's key and the number of the picture in the id of a request."""
    key, _, copy = item.rpartition("/")
    return key, int(copy)


def only_file(data: DataFiles, name: str) -> Path:
    """The only file of the data, or among several the one with its published name. Raises ``UsageError``."""
    named = [file for file in data.files if file.name == name] or list(data.files)
    if len(named) > 1:
        listed = ", ".join(file.name for file in named)
        raise UsageError(Problem(f"'{data.folder}' holds {listed}", hint="set data to one of these files"))
    return named[0]


@frozen
class PictureFile:
    """A picture in a file, or the part of it in ``box``, as left, top, right, bottom; it is read when it is needed."""

    path: Path
    box: tuple[int, int, int, int] | None = None

    def read(self) -> Image.Image:
        """The picture as RGB; what lies outside it in the box is black. Raises ``PictureError``."""
        picture = read_picture(self.path)
        return picture if self.box is None else picture.crop(self.box)


class Outputs(Mapping[str, Output]):
    """Outputs by item, where pictures stay in their files until they are needed, so that memory does not grow."""

    def __init__(self, stored: Mapping[str, str | PictureFile]) -> None:
        self._stored = dict(stored)

    def __getitem__(self, item: str) -> Output:
        stored = self._stored[item]
        return stored if isinstance(stored, str) else stored.read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


def picture_of(output: Output | Path) -> Image.Image:
    """An output that is a picture, or the path of one. Raises ``UsageError`` for a judgement."""
    if isinstance(output, str):
        raise UsageError("these predictions are judgements: only pictures can be written for the official scorer")
    return output if isinstance(output, Image.Image) else read_picture(output)


def showcase(
    model: Model,
    requests: Sequence[Request],
    drawings: int,
    judged: Callable[[Request, Image.Image], tuple[bool, str]],
    progress: Progress,
) -> Showcase:
    """The first pictures of ``drawings`` prompts, spread over all, with their verdicts."""
    first = list({request.cluster: request for request in reversed(requests)}.values())[::-1]
    step = max(1, len(first) // max(1, drawings))
    chosen = first[::step][:drawings]
    if not chosen:
        return Showcase()
    pictures = model.generate(
        [request.conversation.turns[0].text for request in chosen],
        seed=[request.seed for request in chosen],
        on_step=lambda done, of: progress("drawing examples", done, of),
        **chosen[0].settings,
    )
    drawn = []
    for request, picture in zip(chosen, pictures, strict=True):
        correct, verdict = judged(request, picture)
        drawn.append(Drawn(request.conversation.turns[0].text, picture, correct, verdict))
    return Showcase(tuple(drawn))
