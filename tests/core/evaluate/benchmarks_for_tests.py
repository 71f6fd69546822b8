"""A small benchmark and a model that counts its calls, for the tests of the runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from janiform import Conversation, Item, Metric, Model, Request, Score, Turn, UnifiedModel, mean_score
from PIL import Image

RED = Image.new("RGB", (20, 20), "red")


def draw(number: int, text: str = "a red circle", **changes: Any) -> Request:
    given = {"seed": 7 + number, "draws": True, "reference": RED, **changes}
    return Request(f"draw/{number}", f"draw/{number // 2}", Conversation((Turn("user", text),)), **given)


def ask(number: int, text: str = "red?", **changes: Any) -> Request:
    given = {"reference": "yes", "settings": {"max_new_tokens": 3}, **changes}
    return Request(f"ask/{number}", f"ask/{number}", Conversation.asking(text, RED), **given)


class Simple:
    """Judges by the length of an answer and the red of a picture; members can be replaced by each test."""

    metrics: Mapping[str, Metric] = {
        "looks.even": Metric(chance=0.5),
        "draws.red": Metric(),
        "draws.size": Metric("down"),
    }
    settings: Mapping[str, Any] = {"mine": 3}
    given: Sequence[Request] = (draw(0), ask(0), draw(1), ask(1), draw(2))

    def __init__(self, **members: Any) -> None:
        vars(self).update(members)

    def requests(self) -> Sequence[Request]:
        return self.given

    def judge(self, request: Request, output: str | Image.Image) -> Mapping[str, float]:
        if isinstance(output, str):
            return {"looks.even": float(len(output) % 2 == 0)}
        return {"draws.red": float(np.asarray(output)[..., 0].mean() > 100), "draws.size": float(output.width)}

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        return {
            name: mean_score(members)
            for name in self.metrics
            if (members := [item for item in items if item.metric == name])
        }

    def show(self, *_: Any) -> Any: ...


class Spy(Model):
    """A model that remembers how it was called."""

    def __init__(self, model: UnifiedModel) -> None:
        super().__init__(model)
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []

    def generate(self, prompt: Any, n: int = 1, **settings: Any) -> list[Image.Image]:  # type: ignore[override]
        self.calls.append(("draw", prompt, settings))
        return super().generate(prompt, n, **settings)

    def reply_all(self, conversations: Any, **settings: Any) -> list[str]:  # type: ignore[override]
        self.calls.append(("ask", list(conversations), settings))
        return super().reply_all(conversations, **settings)


def quiet(what: str, done: int, of: int) -> None:
    """Progress that nobody watches."""


def many() -> list[Request]:
    """Drawings and questions, of which several are about one picture."""
    made = [draw(number, text) for number, text in enumerate(["a red circle", "a blue square", "a cross"])]
    for number in range(11):
        colour = Image.new("RGB", (20, 20), ("red", "blue", "green", "white")[number // 3])
        conversation = Conversation.asking("red? " * (1 + number % 3), colour)
        settings = {"max_new_tokens": 3}
        made.append(
            Request(f"ask/{number}", f"picture/{number // 3}", conversation, reference="yes", settings=settings)
        )
    return made
