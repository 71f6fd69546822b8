"""Questions about a scene, with short canonical answers.

Types: ``yes_no`` ("yes" or "no"; of three subtypes, CLAIM_TYPES), ``how_many`` ("zero" to "four"), ``which_colour``,
``which_shape``, ``where`` ("top left", "top", ..., "centre") and ``left_of`` (which object is left of, right of, above
or below another; "a red circle"). Questions are asked only where the answer is unambiguous.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Final, NamedTuple

import numpy as np

from .compositions import HELD_OUT, Composition, Counted, Related, is_held_out, paired
from .phrases import (
    NUMBER_WORDS,
    RELATION_WORDS,
    Phrase,
    chance,
    describe,
    pick,
    quantified,
    singular,
    usually_first,
    varied_noun,
    with_article,
)
from .scene import COLOURS, OPPOSITE, RELATIONS, SHAPES, SIZES, Kind, Object, Scene, region_of, relation_of

QUESTION_TYPES: Final = ("yes_no", "how_many", "which_colour", "which_shape", "where", "left_of")
CLAIM_TYPES: Final = ("yes_no_existence", "yes_no_number", "yes_no_relation")

EXISTS_FRAMES: Final = (
    "is there {}?",
    "is there {} in the picture?",
    "can you see {}?",
    "does the picture show {}?",
    "is {} in the picture?",
)
HOW_MANY_FRAMES: Final = (
    "how many {} are there?",
    "how many {} are in the picture?",
    "how many {} can you see?",
    "how many {} does the picture show?",
    "what is the number of {}?",
)
COLOUR_FRAMES: Final = ("what colour {be} the {}?", "which colour {be} the {}?", "what is the colour of the {}?")
SHAPE_FRAMES: Final = ("what shape is the {}?", "which shape is the {}?", "what is the shape of the {}?")
WHERE_FRAMES: Final = ("where is the {}?", "where in the picture is the {}?", "in which part of the picture is the {}?")
RELATIVE_FRAMES: Final = ("what is {} the {}?", "which object is {} the {}?", "what can you see {} the {}?")

_ANSWER_WEIGHTS: Final = (1.0, 1.2, 1.8, 6.0, 32.0)
"""Weights of the answers to how_many, which balance them although few scenes have four equal objects."""


class Question(NamedTuple):
    """A question of one of QUESTION_TYPES, and its answer; all lower case."""

    type: str
    text: str
    answer: str


Asker = Callable[[Scene, np.random.Generator], Question | None]


def questions(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """Ask about a scene: two yes-no questions, and one of each other type that has a clear answer.

    The order is random, and so are yes and no, since the first answer would otherwise reveal the second; occasionally
    both questions are the same. A "no" never denies a held-out composition in a training scene, since a model would
    learn that those compositions do not exist.
    """
    possible = (ASKERS[name](scene, rng) for name in ("yes_no", *QUESTION_TYPES))
    asked = [question for question in possible if question is not None]
    return [asked[int(i)] for i in rng.permutation(len(asked))]


def questions_of(scene: Scene, rng: np.random.Generator, types: Sequence[str], most: int) -> list[Question]:
    """Ask ``most`` different questions of these types in turn, or fewer where the scene allows no more."""
    turns = [types[int(i)] for i in rng.permutation(len(types))]
    by_text: dict[str, Question] = {}
    for turn in range(4 * max(most, len(types))):
        question = ASKERS[turns[turn % len(turns)]](scene, rng)
        if question is not None:
            by_text.setdefault(question.text, question)
        if len(by_text) == most:
            break
    return list(by_text.values())


def ask_yes_no(scene: Scene, rng: np.random.Generator, answer: str, *, relations: bool = True) -> Question:
    """Ask whether an object exists, has a count, or, with ``relations``, is in a relation.

    ``answer`` is "yes" or "no", and the question is chosen to fit it.
    """
    draw = rng.random()
    text = None
    if relations and draw < 0.4:
        text = _relation_claim(scene, rng, answer == "yes")
    elif draw < 0.55:
        text = _count_claim(scene, rng, answer == "yes")
    return Question("yes_no", text or _existence_claim(scene, rng, answer == "yes"), answer)


def ask_how_many(scene: Scene, rng: np.random.Generator, answer: int | None = None) -> Question | None:
    """Ask for the number of objects of a phrase; with ``answer``, of one with this number, or return None."""
    by_count: dict[int, list[Phrase]] = {}
    for phrase in countable(scene, rng):
        by_count.setdefault(phrase.count(scene.objects), []).append(phrase)
    if answer is None:
        counts = sorted(by_count)
        weights = np.array([_ANSWER_WEIGHTS[count] for count in counts])
        answer = counts[int(rng.choice(len(counts), p=weights / weights.sum()))]
    if answer not in by_count:
        return None
    text = pick(HOW_MANY_FRAMES, rng).format(varied_noun(pick(by_count[answer], rng), rng, plural=True))
    return Question("how_many", text, NUMBER_WORDS[answer])


def ask_which_colour(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Ask for the colour of the only object of a shape, or of all objects of a shape that share one colour."""
    item = pick(scene.objects, rng)
    options = [Phrase(shape=item.shape), Phrase(shape=item.shape, size=item.size), Phrase(size=item.size), Phrase()]
    clear = [phrase for phrase in options if {o.colour for o in scene.objects if phrase.fits(o)} == {item.colour}]
    if not clear:
        return None
    phrase = usually_first(clear, rng)
    plural = phrase.count(scene.objects) > 1
    text = pick(COLOUR_FRAMES, rng).format(varied_noun(phrase, rng, plural), be="are" if plural else "is")
    return Question("which_colour", text, item.colour)


def ask_which_shape(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Ask for the shape of the only object of a colour or size."""
    item = pick(scene.objects, rng)
    options = (Phrase(item.colour), Phrase(item.colour, size=item.size), Phrase(size=item.size), Phrase())
    clear = [phrase for phrase in options if phrase.count(scene.objects) == 1]
    if not clear:
        return None
    noun = varied_noun(usually_first(clear, rng), rng, generic="object")
    return Question("which_shape", pick(SHAPE_FRAMES, rng).format(noun), item.shape)


def ask_where(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Ask in which ninth of the picture an object is."""
    clear = [item for item in scene.objects if region_of(item) is not None]
    if not clear:
        return None
    item = pick(clear, rng)
    phrase = unique_phrase(scene, item, rng)
    region = region_of(item)
    if phrase is None or region is None:
        return None
    return Question("where", pick(WHERE_FRAMES, rng).format(varied_noun(phrase, rng)), region)


def ask_left_of(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Ask which object is in a relation to another, where exactly one is and no other nearly is."""
    clear: list[tuple[str, Object, Object]] = []
    for reference, relation in product(scene.objects, RELATIONS):
        others = [item for item in scene.objects if item is not reference]
        fitting = [item for item in others if relation_of(item, reference) == relation]
        if len(fitting) == 1 and not any(_nearly(item, relation, reference) for item in others):
            clear.append((relation, reference, fitting[0]))
    if not clear:
        return None
    relation, reference, item = pick(clear, rng)
    phrase = unique_phrase(scene, reference, rng)
    if phrase is None:
        return None
    words = pick(RELATION_WORDS[relation], rng)
    text = pick(RELATIVE_FRAMES, rng).format(words, varied_noun(phrase, rng))
    return Question("left_of", text, with_article(describe(item).noun()))


def _claiming(claim: Callable[[Scene, np.random.Generator, bool], str | None]) -> Asker:
    def ask(scene: Scene, rng: np.random.Generator) -> Question | None:
        true = chance(0.5, rng)
        text = claim(scene, rng, true)
        return None if text is None else Question("yes_no", text, "yes" if true else "no")

    return ask


def _nearly(item: Object, relation: str, reference: Object) -> bool:
    """Return whether ``item`` is on that side of ``reference``, but too close to the diagonal to be clear."""
    if relation_of(item, reference) is not None:
        return False
    dx, dy = item.x - reference.x, item.y - reference.y
    return {"left of": dx < 0, "right of": dx > 0, "above": dy < 0, "below": dy > 0}[relation]


def _relation_claim(scene: Scene, rng: np.random.Generator, true: bool) -> str | None:
    if len(scene.objects) < 2:
        return None
    first, second = (scene.objects[int(i)] for i in rng.permutation(len(scene.objects))[:2])
    relation = relation_of(first, second)
    a, b = unique_phrase(scene, first, rng), unique_phrase(scene, second, rng)
    if relation is None or a is None or b is None:
        return None
    if not true:
        relation = OPPOSITE[relation]
        denied: set[Composition] = {Related(*first.kind, relation), Related(*second.kind, OPPOSITE[relation])}
        if not _deniable(scene, denied):
            return None
    words = usually_first(RELATION_WORDS[relation], rng, 0.4)
    if chance(0.5, rng):
        return f"is the {varied_noun(a, rng)} {words} the {varied_noun(b, rng)}?"
    return f"is there {singular(a, rng)} {words} the {varied_noun(b, rng)}?"


def _count_claim(scene: Scene, rng: np.random.Generator, true: bool) -> str | None:
    phrases = countable(scene, rng)
    several = [phrase for phrase in phrases if phrase.count(scene.objects) > 1]
    # False claims are made about the same scenes as true ones, since the phrasing would otherwise reveal the answer.
    if not several:
        return None
    phrase = pick(several if true or chance(0.7, rng) else phrases, rng)
    count = phrase.count(scene.objects)
    if not true:
        count = pick([wrong for wrong in range(2, 5) if wrong != count], rng)
        if phrase.colour and phrase.shape and not _deniable(scene, {Counted(count, phrase.colour, phrase.shape)}):
            return None
    return f"are there {pick(('', 'exactly '), rng)}{quantified(phrase, count, rng)}?"


def _existence_claim(scene: Scene, rng: np.random.Generator, true: bool) -> str:
    phrase = _some_phrase(pick(scene.objects, rng), rng)
    if not true:
        for _ in range(20):
            changed = _changed(phrase, scene, rng)
            if changed.count(scene.objects) == 0 and _deniable(scene, _implied(changed, scene)):
                phrase = changed
                break
        else:
            absent = set(COLOURS) - {item.colour for item in scene.objects}
            phrase = Phrase(colour=pick(sorted(absent), rng))
    return pick(EXISTS_FRAMES, rng).format(singular(phrase, rng))


def _implied(phrase: Phrase, scene: Scene) -> set[Composition]:
    """Collect the compositions that the scene would show with an object of this phrase."""
    implied: set[Composition] = set()
    if phrase.colour and phrase.shape:
        kind = Kind(phrase.colour, phrase.shape)
        implied |= {paired(kind, item.kind) for item in scene.objects if item.kind != kind}
    return implied


def _deniable(scene: Scene, compositions: set[Composition]) -> bool:
    return HELD_OUT.isdisjoint(compositions) or is_held_out(scene)


def _changed(phrase: Phrase, scene: Scene, rng: np.random.Generator) -> Phrase:
    """Change one named attribute of a phrase, often to the value of another object."""
    named = [field for field, value in zip(Phrase._fields, phrase, strict=True) if value is not None]
    field = pick(named, rng)
    values: dict[str, tuple[str, ...]] = {"colour": COLOURS, "shape": SHAPES, "size": SIZES}
    present = tuple(getattr(item, field) for item in scene.objects)
    value = pick(present if chance(0.5, rng) else values[field], rng)
    return phrase._replace(**{field: value})


def _some_phrase(item: Object, rng: np.random.Generator) -> Phrase:
    draw = rng.random()
    if draw < 0.5:
        return describe(item)
    if draw < 0.65:
        return describe(item, size=True)
    if draw < 0.8:
        return describe(item, colour=False)
    if draw < 0.9:
        return describe(item, shape=False)
    return describe(item, colour=False, size=True)


def unique_phrase(scene: Scene, item: Object, rng: np.random.Generator) -> Phrase | None:
    """Find a phrase that fits this object and no other, or return None."""
    options = (
        describe(item),
        describe(item, colour=False),
        describe(item, shape=False),
        describe(item, size=True),
        describe(item, colour=False, size=True),
    )
    clear = [phrase for phrase in options if phrase.count(scene.objects) == 1]
    return usually_first(clear, rng, 0.5) if clear else None


def countable(scene: Scene, rng: np.random.Generator) -> list[Phrase]:
    """Collect phrases to count: those of the objects of the scene, and a few of absent objects."""
    phrases = {Phrase()}
    for item in scene.objects:
        phrases |= {describe(item), describe(item, colour=False), describe(item, shape=False)}
        phrases |= {describe(item, colour=False, size=True), Phrase(size=item.size)}
    for phrase in (Phrase(pick(COLOURS, rng)), Phrase(shape=pick(SHAPES, rng))):
        phrases.add(phrase)
    mixed = Phrase(pick(scene.objects, rng).colour, pick(SHAPES, rng))
    if _deniable(scene, _implied(mixed, scene)):
        phrases.add(mixed)
    # The order of a set of tuples depends on hashes, which differ between processes.
    return sorted(phrases, key=lambda phrase: tuple(word or "" for word in phrase))


ASKERS: Final[dict[str, Asker]] = {
    "yes_no": lambda scene, rng: ask_yes_no(scene, rng, pick(("yes", "no"), rng)),
    "yes_no_existence": _claiming(_existence_claim),
    "yes_no_number": _claiming(_count_claim),
    "yes_no_relation": _claiming(_relation_claim),
    "how_many": ask_how_many,
    "which_colour": ask_which_colour,
    "which_shape": ask_which_shape,
    "where": ask_where,
    "left_of": ask_left_of,
}
"""Question type -> the function that asks such a question, or returns None where the scene allows none."""
