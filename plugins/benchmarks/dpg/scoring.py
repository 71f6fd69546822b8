"""DPG-Bench's formulas (ELLA, arXiv:2403.05135): answers to scores, with dependencies between questions. Torch-free.

dpg        100 · mean over items of the mean over pictures of the mean over questions, zeroed where a parent is
category   100 · mean over the questions of the category in all items, without the zeroing
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve
from janiform import Item, Score, mean_score

from .data import DpgItem, Question

BROAD = ("global", "entity", "attribute", "relation", "other")
"""The categories in the order of the papers' tables."""


def is_yes(answer: str) -> float:
    """1 for exactly ``yes``, as the official script counts; else 0."""
    return float(answer == "yes")


def raw_scores(questions: Sequence[Question], answers: Sequence[str]) -> dict[int, float]:
    """The scores of questions by their numbers, before dependencies."""
    return {question.number: is_yes(answer) for question, answer in zip(questions, answers, strict=True)}


def picture_score(questions: Sequence[Question], answers: Sequence[str]) -> float:
    """The mean over questions, where one counts 0 if a question that it depends on has the score 0.

    Dependencies are followed in the order of the questions, and a zero counts for those after it: it travels down a
    chain whose parents come first.
    """
    scores = raw_scores(questions, answers)
    for question in questions:
        if any(scores[parent] == 0 for parent in question.parents):
            scores[question.number] = 0.0
    return sum(scores.values()) / len(scores)


def category_of(question: Question) -> str:
    """The name of a question's category in metrics: ``attribute.color``, or ``global``."""
    return f"{question.broad}.{question.detailed}" if question.detailed else question.broad


def categories(items: Sequence[DpgItem]) -> list[str]:
    """The names of the categories of all questions: broad ones in the papers' order, each with its detailed ones."""
    names = {category_of(question) for item in items for question in item.questions}
    broad = {name.partition(".")[0] for name in names}
    order = [name for name in BROAD if name in broad] + sorted(broad - set(BROAD))
    return [*order, *(name for head in order for name in sorted(names) if name.startswith(f"{head}."))]


def category_means(questions: Sequence[Question], answers: Sequence[str]) -> dict[str, float]:
    """The fraction of the questions of each category that are answered with yes."""
    scores = raw_scores(questions, answers)
    grouped: dict[str, list[float]] = {}
    for question in questions:
        grouped.setdefault(category_of(question), []).append(scores[question.number])
    return {name: sum(values) / len(values) for name, values in grouped.items()}


def total(pictures: Sequence[Item]) -> Score:
    """The score of a benchmark from those of pictures, whose clusters are the items; the count is that of pictures."""
    by_item: dict[str, list[Item]] = {}
    for picture in pictures:
        by_item.setdefault(picture.cluster, []).append(picture)
    means = [evolve(same[0], value=sum(one.value for one in same) / len(same)) for same in by_item.values()]
    return percent(evolve(mean_score(means), count=len(pictures)))


def pooled(parts: Sequence[tuple[Item, int]]) -> Score:
    """The mean over questions, from fractions of pictures with the numbers of their questions."""
    values = [
        evolve(item, value=value)
        for item, count in parts
        for value in [1.0] * round(item.value * count) + [0.0] * (count - round(item.value * count))
    ]
    return percent(mean_score(values))


def percent(score: Score) -> Score:
    """A fraction as a percentage; the limits of its interval stay between 0 and 100."""
    low, high = (None if limit is None else 100 * min(1.0, max(0.0, limit)) for limit in (score.low, score.high))
    return Score(100 * score.value, score.count, low, high)


def question_counts(items: Mapping[str, DpgItem]) -> dict[str, dict[str, int]]:
    """The number of questions of each category, by the keys of items."""
    counts: dict[str, dict[str, int]] = {}
    for key, item in items.items():
        own = counts.setdefault(key, {})
        for question in item.questions:
            own[category_of(question)] = own.get(category_of(question), 0) + 1
    return counts
