"""Examples of right and wrong outputs as cards, with the outputs of all models that are compared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ...contracts import Item
from ...evaluate.examples import RIGHT, verdicts
from ...evaluate.results import Example
from ..markup import Markup, join, tag
from .scores import Compared
from .words import figure, shortened

MOST = 16
"""Largest number of examples of one benchmark."""

_QUESTION, _ANSWER = 700, 400
"""Most characters of a question and of an answer that are shown."""

_URI = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/]+=*")


def example_cards(benchmark: Compared, models: Sequence[str]) -> Markup | None:
    """Cards of examples, those on which models differ first; None where there are none."""
    first = {model: verdicts(result.items) for model, result in benchmark.results.items()}
    examples: dict[str, dict[str, Example]] = {}
    for model, result in benchmark.results.items():
        for example in result.examples:
            examples.setdefault(example.item, {})[model] = example
    chosen = sorted(examples, key=lambda item: not _differ(item, first))[:MOST]
    cards = [_card(examples[item], item, first, models) for item in chosen]
    return tag("div", join(cards), class_="cards examples") if cards else None


def _differ(item: str, first: Mapping[str, Mapping[str, Item]]) -> bool:
    return len({members[item].value >= RIGHT for members in first.values() if item in members}) > 1


def _card(
    examples: Mapping[str, Example], item: str, first: Mapping[str, Mapping[str, Item]], models: Sequence[str]
) -> Markup:
    example = next(iter(examples.values()))
    lines = [tag("dt", shortened(example.question, _QUESTION) or item)]
    if example.expected:
        lines.append(tag("dd", f"expected: {shortened(example.expected, _ANSWER)}", class_="expected"))
    for number, model in enumerate(models):
        output = first.get(model, {}).get(item)
        if output is not None:
            name = tag("span", model, class_=f"model series-{number % 6}") if len(models) > 1 else None
            picture = _picture(examples.get(model)) if example.drawn and len(models) > 1 else None
            lines.append(tag("dd", name, picture, _verdict(output, drawn=example.drawn)))
    picture = None if example.drawn and len(models) > 1 else _picture(example)
    body = tag("dl", join(lines))
    return tag("div", picture, body, class_="card" if picture else "card without-picture")


def _verdict(output: Item, *, drawn: bool) -> Markup:
    right = output.value >= RIGHT
    text = ("right" if right else "wrong") if drawn else shortened(output.prediction.strip(), _ANSWER) or "(nothing)"
    if output.value not in (0, 1):
        text = f"{text} ({figure(output.value)})"
    return tag("span", text, class_=f"verdict {'right' if right else 'wrong'}")


def _picture(example: Example | None) -> Markup | None:
    if example is None or not _URI.fullmatch(example.picture):
        return None
    pixels = "pixels" if example.picture.startswith("data:image/png") else None
    alt = f"Drawn for: {shortened(example.question, 200)}" if example.drawn else "The picture asked about"
    return tag("img", src=example.picture, alt=alt, class_=pixels)
