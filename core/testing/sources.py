"""Conformance tests of sources."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from ..errors import PictureError, SampleError
from ..sequence.conversation import Conversation, Draw, Look
from .case import Case, Failure, require
from .common import keeps_its_config_through_a_recipe
from .other_process import called_elsewhere

_SOME = 24
"""Number of examples that are checked."""


def _source(case: Case) -> Any:
    return case.component.load()(case.config)


def _at(case: Case, source: Any, index: int) -> Any:
    """An example; the error that refused it; or None after the end of a finite source."""
    try:
        example = source.example(index)
        require(
            isinstance(example, Conversation),
            f"{case.name}: example {index} is {type(example).__name__}, not a janiform.Conversation",
        )
        return example
    except (SampleError, PictureError) as error:
        return type(error), error.kind, str(error)
    except IndexError:
        return None
    except Failure:
        raise
    except Exception as error:
        raise Failure(
            f"{case.name}: example {index} failed with {type(error).__name__}: {error}; raise SampleError where one "
            "example cannot be used, and IndexError after the last one of a finite source"
        ) from error


def gives_conversations(case: Case) -> None:
    """Examples are conversations that end with a turn to learn, and their pictures have a supported type."""
    source = _source(case)
    examples = [example for index in range(_SOME) if not isinstance(example := _at(case, source, index), tuple | None)]
    require(bool(examples), f"{case.name}: none of its first {_SOME} examples can be used")
    for example in examples:
        require(example.turns[-1].role == "assistant", f"{case.name}: an example ends without an answer to learn")
        for piece in (piece for turn in example.turns for piece in turn.content):
            if isinstance(piece, Look | Draw):
                require(
                    isinstance(piece.picture, Image.Image)
                    or (isinstance(piece.picture, np.ndarray) and piece.picture.dtype == np.uint8),
                    f"{case.name}: a picture is {type(piece.picture).__name__}, neither a PIL image nor an array of "
                    "uint8",
                )


def depends_on_the_index_alone(case: Case) -> None:
    """An example depends on settings and index alone: in any order, in another instance and in another process."""
    first, second = _source(case), _source(case)
    indices = [index * 7919 % (case.seed + _SOME) for index in range(_SOME)]
    given = {}
    expected = {}
    for index in indices:
        given[index] = _at(case, first, index)
        expected[index] = copy.deepcopy(given[index])
    for index in indices:
        require(
            given[index] == expected[index],
            f"{case.name}: example {index} changes when others are read; make a new picture for each",
        )
    try:
        sent = pickle.dumps(second)
        copied = pickle.loads(sent)
    except Exception as error:
        raise Failure(
            f"{case.name}: cannot be sent to another process: {type(error).__name__}: {error}; open files when "
            "they are read, not when the source is created"
        ) from error
    for index in reversed(indices):
        for other in (first, second, copied):
            require(
                _at(case, other, index) == expected[index],
                f"{case.name}: example {index} differs when it is read again; it must depend on settings and index "
                "alone",
            )
    try:
        elsewhere = called_elsewhere(_examples, case.name, sent, indices)
    except RuntimeError as error:
        raise Failure(f"{case.name}: fails in another process: {error}") from None
    for index in indices if elsewhere else ():
        require(
            elsewhere[index] == expected[index],
            f"{case.name}: example {index} differs in another process; it must not depend on the process, as the hash "
            "of a text or the order of a set does",
        )


def _examples(name: str, sent: bytes, indices: list[int]) -> dict[int, Any]:
    source = pickle.loads(sent)
    return {index: _at(SimpleNamespace(name=name), source, index) for index in indices}  # type: ignore[arg-type]


def accepts_large_indices(case: Case) -> None:
    """A large index gives an example, or is after the end."""
    source = _source(case)
    for index in (10**6 + case.seed, 2**40 + case.seed):
        _at(case, source, index)


def goes_through_its_samples_pass_after_pass(case: Case) -> None:
    """Where a source has ``length``, it is the number of examples of a pass, and passes never end."""
    source = _source(case)
    length = getattr(source, "length", None)
    if length is None:
        return
    require(
        type(length) is int and length >= 1,
        f"{case.name}: its `length` is {length!r}, not the number of examples of a pass",
    )
    for number in (1, case.seed + 2, 2**20):
        for index in (number * length, number * length + length - 1):
            require(
                _at(case, source, index) is not None,
                f"{case.name}: its `length` is {length}, but it ends before example {index}; passes follow one another "
                "without end, so leave `length` out of a finite source",
            )


SOURCE_CHECKS = (
    gives_conversations,
    depends_on_the_index_alone,
    accepts_large_indices,
    goes_through_its_samples_pass_after_pass,
    keeps_its_config_through_a_recipe,
)
