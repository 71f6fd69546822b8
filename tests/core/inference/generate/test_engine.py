"""An engine that a model selects runs all of its generation: text, pictures and chats, with the same results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from janiform import Chat, Model, UnifiedModel, generate_codes, generate_text
from janiform.inference.generate.engine import EagerEngine
from torch import Tensor


class Rereading:
    """Keeps no cache: every step reads the prompts and all that follows them again, in one forward per row."""

    def __init__(self, model: UnifiedModel) -> None:
        self.model = model
        self.steps = 0

    def prefill(self, prompts: Sequence[Any], more: int, prefix: Any = None) -> Any:
        self.embeddings = [self.model.embed(self.model.processor.collate([prompt])) for prompt in prompts]
        return type("State", (), {"hidden": self._hidden()})

    def decode(self, state: Any, embeddings: Tensor) -> Tensor:
        self.steps += 1
        self.embeddings = [
            torch.cat((row, new[None]), dim=1) for row, new in zip(self.embeddings, embeddings, strict=True)
        ]
        return self._hidden()

    def _hidden(self) -> Tensor:
        return torch.cat([EagerEngine(self.model).backbone(row, *self._inputs(row))[:, -1] for row in self.embeddings])

    def _inputs(self, row: Tensor) -> tuple[Tensor, Any]:
        from janiform import Mask

        return torch.arange(row.shape[1])[None], Mask.causal()


@pytest.fixture
def engine(tiny_model: UnifiedModel) -> Iterator[Rereading]:
    tiny_model.engine = engine = Rereading(tiny_model)
    yield engine
    tiny_model.engine = None


def test_pictures_and_texts_are_those_of_the_default_engine(tiny_model: UnifiedModel, engine: Rereading) -> None:
    prompts = [tiny_model.processor.drawing_prompt(prompt) for prompt in ("a red circle", "two")]
    settings: dict[str, Any] = {"guidance": 2.0, "seeds": [1, 2]}
    codes = generate_codes(tiny_model, prompts, **settings)
    assert engine.steps == 15
    answers = generate_text(tiny_model, prompts, max_new_tokens=6)
    chat = "".join(Chat(Model(tiny_model), max_new_tokens=5).say("a red circle?"))
    assert engine.steps > 15
    tiny_model.engine = None
    assert torch.equal(codes, generate_codes(tiny_model, prompts, **settings))
    assert answers == generate_text(tiny_model, prompts, max_new_tokens=6)
    assert chat == "".join(Chat(Model(tiny_model), max_new_tokens=5).say("a red circle?"))
