"""Answers to many prompts together, in rounds that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from ..arguments import MAX_SEED, members, whole_number
from ..contracts import OnStep
from ..errors import Problem, ResourceError, UsageError, nearest
from .generate import generate_text
from .generate.context import check_context_length
from .generate.prefix_cache import PrefixCache
from .generate.sampling import sampling_temperature, sampling_top_p
from .generate.text import stop_strings
from .memory import OnPlan, memory_for_answers

if TYPE_CHECKING:
    from ..model.unified_model import UnifiedModel
    from ..sequence.spans import Sequence as SpanSequence

T = TypeVar("T")

DEFAULT_NEW_TOKENS = 256
"""The longest answer where ``max_new_tokens`` is not given, if the context has room for it."""


class AnswerSettings(TypedDict, total=False):
    """How answers are sampled; the comments name the defaults."""

    max_new_tokens: int | None  # None: 256, or what the context has room for
    temperature: float | None  # 0: greedy
    top_p: float | None  # 1: sample from the most likely tokens whose probabilities add up to this
    stop: str | Sequence[str] | None  # (): an answer ends before the first of these texts


def checked_settings(settings: Mapping[str, Any]) -> AnswerSettings:
    """The settings that are not None, each of its type. Raises ``UsageError`` for unknown ones and wrong values."""
    if unknown := [name for name in settings if name not in AnswerSettings.__annotations__]:
        raise UsageError(
            [
                Problem(f"answers have no setting '{name}'", hint=nearest(name, AnswerSettings.__annotations__))
                for name in unknown
            ]
        )
    checked: AnswerSettings = {}
    if (limit := settings.get("max_new_tokens")) is not None:
        checked["max_new_tokens"] = whole_number("max_new_tokens", limit, 1)
    if (temperature := settings.get("temperature")) is not None:
        checked["temperature"] = sampling_temperature(temperature)
    if (top_p := settings.get("top_p")) is not None:
        checked["top_p"] = sampling_top_p(top_p)
    if (stop := settings.get("stop")) is not None:
        checked["stop"] = stop_strings(stop)
    return checked


def answer_all(
    model: UnifiedModel,
    rows: Sequence[SpanSequence],
    seeds: Sequence[int],
    settings: AnswerSettings,
    *,
    on_text: Callable[[int, str], None] | None = None,
    on_step: OnStep | None = None,
    on_plan: OnPlan | None = None,
    prefix: PrefixCache | None = None,
) -> list[str]:
    """Answers to prompts, in rounds that fit into memory; each is independent of the others.

    ``prefix``: the cache of the conversation that the only prompt belongs to; it is cleared where its memory is needed.

    Raises ``UsageError``, for any of the prompts, and ``ResourceError`` before anything is computed.
    """
    context = model.plan.hidden.context
    limit = settings.get("max_new_tokens")
    free = (max(1, min(DEFAULT_NEW_TOKENS, context - len(row))) for row in rows)
    limits = list(free) if limit is None else [limit] * len(rows)
    answers: list[str] = []
    if not rows:
        return answers
    check_context_length(model, rows, limits, "new tokens", fewer=True)
    plan = retry_without(prefix, lambda: memory_for_answers(model, rows, max(limits)))
    if on_plan is not None:
        on_plan(plan)
    settings = checked_settings(settings)
    stop = settings.get("stop") or ()
    for part in plan.parts:
        answers += generate_text(
            model,
            rows[part],
            max_new_tokens=limits[part],
            temperature=settings.get("temperature") or 0.0,
            top_p=settings.get("top_p") or 1.0,
            stop=stop,
            seeds=seeds[part],
            on_text=None if on_text is None else _numbered(on_text, part.start),
            prefix=prefix,
        )
        if on_step is not None:
            on_step(len(answers), len(rows))
    return answers


def retry_without(prefix: PrefixCache | None, work: Callable[[], T]) -> T:
    """Do some work; where it raises ``ResourceError``, clear the prefix cache, if it takes memory, and try again."""
    try:
        return work()
    except ResourceError:
        if prefix is None or not prefix.nbytes:
            raise
    prefix.clear()
    return work()


def _numbered(on_text: Callable[[int, str], None], first: int) -> Callable[[int, str], None]:
    return lambda row, text: on_text(first + row, text)


def seeds_of(seed: Any, count: int, what: str, *, repeated: int = 0) -> list[int]:
    """One seed for each of ``count``: given, or counted up from the first.

    ``repeated``: counted up from the first again after this many; 0 never. Raises ``UsageError``.
    """
    if hasattr(seed, "__index__") and not getattr(seed, "ndim", 0):  # also numbers of numpy and torch
        first = whole_number("a seed", seed, high=MAX_SEED)
        seeds = [first + (number % repeated if repeated else number) for number in range(count)]
    else:
        seeds = members("a seed", seed, f"a whole number from 0 to 2^63 - 1, or one for each of {count} {what}")
    if len(seeds) != count:
        raise UsageError(f"expected one seed for each of {count} {what}; got {len(seeds)}")
    return [whole_number("a seed", value, high=MAX_SEED) for value in seeds]
