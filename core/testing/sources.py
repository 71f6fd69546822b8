"""What every source of examples promises."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
from PIL import Image

from ..errors import PictureError, SampleError
from ..sequence.conversation import Conversation, Draw, Look
from .case import Case, demand
from .common import has_a_config_that_is_data

_SOME = 24
"""Examples that are looked at."""


def _source(case: Case) -> Any:
    return case.component.load()(case.config)


def _at(case: Case, source: Any, index: int) -> Any:
    """An example; what it was refused for; or, behind the end of a finite source, None."""
    try:
        return source.example(index)
    except (SampleError, PictureError) as error:
        return type(error), error.kind, str(error)
    except IndexError:
        return None
    except Exception as error:
        raise AssertionError(
            f"{case.name}: example {index} failed with {type(error).__name__}: {error}; raise SampleError where one "
            "example cannot be used, and IndexError behind the last one of a finite source"
        ) from error


def gives_conversations(case: Case) -> None:
    """Examples are conversations that end with what is to be learned, and their pictures are pictures."""
    source = _source(case)
    found = [example for index in range(_SOME) if not isinstance(example := _at(case, source, index), tuple | None)]
    for example in found:
        demand(
            isinstance(example, Conversation),
            f"{case.name}: gave {type(example).__name__}, not a janiform.Conversation",
        )
    demand(bool(found), f"{case.name}: none of its first {_SOME} examples can be used")
    for example in found:
        demand(example.turns[-1].role == "assistant", f"{case.name}: an example ends without an answer to learn")
        for piece in (piece for turn in example.turns for piece in turn.content):
            if isinstance(piece, Look | Draw):
                demand(
                    isinstance(piece.picture, Image.Image)
                    or (isinstance(piece.picture, np.ndarray) and piece.picture.dtype == np.uint8),
                    f"{case.name}: a picture is {type(piece.picture).__name__}, neither of PIL nor an array of uint8",
                )


def depends_on_the_index_alone(case: Case) -> None:
    """The same example at an index in any order, from another instance, and from a copy in another process."""
    first, second = _source(case), _source(case)
    indices = [index * 7919 % (case.seed + _SOME) for index in range(_SOME)]
    forth = {index: _at(case, first, index) for index in indices}
    try:
        copy = pickle.loads(pickle.dumps(second))
    except Exception as error:
        raise AssertionError(
            f"{case.name}: cannot be sent to another process: {type(error).__name__}: {error}; open files when "
            "they are read, not when the source is made"
        ) from error
    for index in reversed(indices):
        for other in (first, second, copy):
            demand(
                _at(case, other, index) == forth[index],
                f"{case.name}: example {index} is another one when it is read again: it must follow from settings and "
                "index alone",
            )


def goes_on_as_long_as_a_run(case: Case) -> None:
    """A large index is an example as well, or behind the end."""
    source = _source(case)
    for index in (10**6 + case.seed, 2**40 + case.seed):
        _at(case, source, index)


OF_SOURCES = (gives_conversations, depends_on_the_index_alone, goes_on_as_long_as_a_run, has_a_config_that_is_data)
