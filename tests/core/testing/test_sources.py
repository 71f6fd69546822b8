"""The promises of sources: each broken one is found, and said to its author."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from attrs import frozen
from janiform import Conversation, Look, Turn
from janiform.testing import sources
from janiform.testing.case import Case


@frozen
class Config:
    """No settings."""


class Sound:
    def __init__(self, config: Config) -> None:
        self.config = config

    def example(self, index: int) -> Any:
        if index > 40:
            raise IndexError(index)
        return Conversation.document(f"text {index}")


class Counts(Sound):
    """Hangs on how often it was asked."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.asked = 0

    def example(self, index: int) -> Any:
        self.asked += 1
        return Conversation.document(f"text {self.asked}")


class Streams(Sound):
    """Cannot go to another process."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.stream = (str(number) for number in itertools.count())


class Stumbles(Sound):
    def example(self, index: int) -> Any:
        return {0: super().example(0)}[index]


class Texts(Sound):
    def example(self, index: int) -> Any:
        return f"text {index}"


class Misses(Sound):
    def example(self, index: int) -> Any:
        return None if index == 3 else super().example(index)


class PaintsOver(Sound):
    """Gives one array, whose content is that of the last example."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.picture = np.zeros((4, 4, 3), np.uint8)

    def example(self, index: int) -> Any:
        self.picture[:] = index % 255
        return Conversation.drawing("a wall", self.picture)


class Asks(Sound):
    def example(self, index: int) -> Any:
        return Conversation([Turn("user", "why?")])


class ShowsPaths(Sound):
    def example(self, index: int) -> Any:
        return Conversation([Turn("user", Look("a.png")), Turn("assistant", "a cat")])  # type: ignore[arg-type]


class Ends(Sound):
    """Has nothing but examples that cannot be used."""

    def example(self, index: int) -> Any:
        raise IndexError


class EndsAfterAPass(Sound):
    length = 41


class HasNoLength(Sound):
    length = 0


class Repeats(Sound):
    length = 7

    def example(self, index: int) -> Any:
        return super().example(index % 7)


def case(source: type) -> Case:
    component = SimpleNamespace(kind="source", name="beast", config=Config, load=lambda: source)
    return Case(component, Config(), {}, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "check", "said"),
    [
        (Counts, sources.depends_on_the_index_alone, "example .* differs when it is read again"),
        (Streams, sources.depends_on_the_index_alone, "cannot be sent to another process: TypeError"),
        (Stumbles, sources.gives_conversations, r"example 1 failed with KeyError: 1; raise SampleError"),
        (Texts, sources.gives_conversations, "example 0 is str, not a janiform.Conversation"),
        (Misses, sources.gives_conversations, "example 3 is NoneType, not a janiform.Conversation"),
        (PaintsOver, sources.depends_on_the_index_alone, "example 0 changes when others are read; make a new picture"),
        (Asks, sources.gives_conversations, "ends without an answer to learn"),
        (ShowsPaths, sources.gives_conversations, "a picture is str, neither a PIL image nor an array of uint8"),
        (EndsAfterAPass, sources.goes_through_its_samples_pass_after_pass, "but it ends before example 41; passes"),
        (HasNoLength, sources.goes_through_its_samples_pass_after_pass, "its `length` is 0, not the number"),
        (Ends, sources.gives_conversations, "none of its first 24 examples can be used"),
    ],
)
def test_each_check_catches_what_it_is_for(source: type, check: Any, said: str) -> None:
    with pytest.raises(AssertionError, match=rf"^source 'beast': .*{said}"):
        check(case(source))


MODULE = """
from janiform import Conversation


class Hashes:
    def __init__(self, config):
        pass

    def example(self, index):
        return Conversation.document(str(hash(str(index))))


class Fails(Hashes):
    def __reduce__(self):
        return Fails, (None,)

    def example(self, index):
        if __import__("os").environ.get("PYTHONHASHSEED") == "7":
            raise KeyError("there")
        return Conversation.document("here")
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Hashes", "example .* differs in another process; it must not depend on the process"),
        ("Fails", "fails in another process: Failure: source 'beast': example .* failed with KeyError: 'there'"),
    ],
)
def test_an_example_is_the_same_in_another_process(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source_beasts.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    source = getattr(__import__("source_beasts"), name)
    try:
        with pytest.raises(AssertionError, match=rf"^source 'beast': {said}"):
            sources.depends_on_the_index_alone(case(source))
    finally:
        del sys.modules["source_beasts"]


def test_a_sound_source_passes() -> None:
    for check in sources.SOURCE_CHECKS:
        check(case(Sound))
        check(case(Repeats))
