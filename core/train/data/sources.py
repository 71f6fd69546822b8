"""The sources of a recipe, opened, and those of their examples that can be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import evolve

from ...contracts import Source
from ...contracts.factories import make
from ...errors import JaniformError, PictureError, Problem, RecipeError, SampleError
from ...recipe import Recipe
from ...sequence.conversation import Conversation
from ...untrusted_text import printable, text_fault

UNUSABLE = (SampleError, PictureError)
"""What a source or an objective raises where only the one example is to blame."""


def open_sources(recipe: Recipe, names: Iterable[str]) -> dict[str, Source]:
    """Make the named sources of a recipe.

    Raises:
        RecipeError: the problems of all of them, each with the position of its table.
    """
    sources: dict[str, Source] = {}
    problems: list[Problem] = []
    for name in dict.fromkeys(names):
        use, path = recipe.sources[name], f"source.{name}"
        try:
            sources[name] = make(use.component, use.config)
        except JaniformError as error:
            origin = recipe.origins.get(f"{path}.use")
            problems += [evolve(problem, path=path, origin=problem.origin or origin) for problem in error.problems]
    if problems:
        raise RecipeError(problems)
    return sources


def example_of(source: Source, index: int) -> Conversation:
    """An example of a source, whose texts can be encoded. Raises ``SampleError`` where one of them cannot be."""
    example = source.example(index)
    if isinstance(example, Conversation):
        texts = (piece for turn in example.turns for piece in turn.content if isinstance(piece, str))
        for text in (example.system or "", *texts):
            if fault := text_fault(text):
                raise SampleError(f"the text '{printable(text[:40])}…' {fault}", "invalid text")
    return example


def ends_before(source: Source, index: int) -> bool:
    """Whether a source is finite and has no example at an index."""
    try:
        source.example(index)
    except IndexError:
        return True
    except Exception:  # it is reported when a batch needs it
        return False
    return False


def usable(source: Source, count: int) -> Iterator[Conversation]:
    """Yield the usable examples among the first ``count`` of a source, or of a shorter finite source all."""
    for index in range(count):
        try:
            yield example_of(source, index)
        except UNUSABLE:
            continue
        except IndexError:
            return
