"""Text from hidden tokens, as in MMaDA and LLaDA: an objective and a sampler, by the public names alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from janiform import Batch, Conversation, Loss, Objective, Span, UnifiedModel, collate, pack, summed_cross_entropy
from janiform import Sequence as Spans
from torch import Tensor

LENGTH = 5
ANSWERS = {"How many?": "three", "Which colour?": "blue", "What shape?": "oval", "Where?": "left"}
EXAMPLES = [Conversation.asking(question, answer=answer) for question, answer in ANSWERS.items()]


class MaskedText(Objective):
    """The states at an answer's hidden tokens predict these; the answer is a full block of a fixed length."""

    divisible = True

    def __init__(self, model: UnifiedModel) -> None:
        super().__init__()
        self.model, self.mask = model, model.plan.hidden.vocabulary - 1
        (self.end,) = model.processor.layout.stop_ids

    def prompt(self, example: Conversation) -> Spans:
        return self.model.processor.sequence(example, answer=False)

    def answer(self, ids: Sequence[int], hidden: Sequence[bool]) -> Span:
        read = [self.mask if hide else id for id, hide in zip(ids, hidden, strict=True)]
        targets = [id if hide else -1 for id, hide in zip(ids, hidden, strict=True)]
        return Span("text", read, loss=True, block=1, targets=targets)

    def prepare_one(self, example: Conversation, generator: np.random.Generator, note: Any = None) -> Spans:
        ids = self.model.processor.text.encode(example.turns[-1].text)
        ids += [self.end] * (LENGTH - len(ids))
        hidden = np.zeros(LENGTH, bool)
        hidden[generator.permutation(LENGTH)[: generator.integers(1, LENGTH + 1)]] = True
        return Spans((*self.prompt(example).spans, self.answer(ids, hidden.tolist())))

    def collate(self, prepared: Sequence[Spans], generator: Any = None) -> Batch:
        return collate(prepared)

    def prepare(self, examples: Sequence[Conversation], generator: np.random.Generator) -> Batch:
        return self.collate([self.prepare_one(example, generator) for example in examples])

    def counts(self, batch: Batch) -> dict[str, int]:
        return {name: targets.shape[1] for name, targets in batch.in_place.items()}

    def losses(self, batch: Batch) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        states, backbone = self.model.hidden(batch).flatten(0, 1), self.model.part("backbone")
        losses = {}
        for name, (positions, ids) in batch.in_place.items():
            total = summed_cross_entropy(backbone.logits, states[positions], ids, self.mask + 1)  # type: ignore[operator]
            losses[name] = Loss(total, torch.tensor(float(len(ids))))
        return losses, {}


@torch.no_grad()
def draw(objective: MaskedText, examples: Sequence[Conversation], steps: int) -> list[str]:
    """Answers whose tokens are all predicted in each step, of which the most certain ones stay."""
    model = objective.model
    prompts = [objective.prompt(example) for example in examples]
    ids = torch.full((len(examples), LENGTH), objective.mask)
    for step in range(1, steps + 1):
        spans = [Span("text", row, block=1) for row in ids.tolist()]
        rows = [Spans((*prompt.spans, span)) for prompt, span in zip(prompts, spans, strict=True)]
        states = model.hidden(collate(rows, side="left"))[:, -LENGTH:]
        logits = model.part("backbone").logits(states)  # type: ignore[operator]
        logits[..., objective.mask] = -torch.inf
        certain, best = logits.log_softmax(-1).max(-1)
        certain = certain.where(ids == objective.mask, torch.inf)
        kept = certain.argsort(1, descending=True)[:, : -(-LENGTH * step // steps)]
        ids = ids.scatter(1, kept, best.where(ids == objective.mask, ids).gather(1, kept))
    return [model.processor.text.decode(row) for row in ids.tolist()]


@pytest.fixture(scope="module")
def objective(fitted: Any, tiny_plan: Any) -> MaskedText:
    model = fitted(tiny_plan)
    model.processor.fit([*ANSWERS, *ANSWERS.values()])
    return MaskedText(model)


def test_hidden_tokens_are_predicted_where_they_are(objective: MaskedText) -> None:
    chance = np.random.default_rng(0)
    sequences = [objective.prepare_one(example, chance) for example in EXAMPLES]
    total, count = 0.0, 0
    with torch.no_grad():
        for sequence in sequences:
            states = objective.model.hidden(collate([sequence]))[0]
            answer = sequence.spans[-1]
            logits = objective.model.part("backbone").logits(states[-LENGTH:])  # type: ignore[operator]
            targets = torch.tensor(answer.targets)
            total += float(torch.nn.functional.cross_entropy(logits, targets, ignore_index=-1, reduction="sum"))
            count += answer.predictions
            assert [id for id in answer.ids if id == objective.mask] == [objective.mask] * answer.predictions
        for batch in (collate(sequences), collate(sequences, side="left"), pack(sequences, 2 * len(sequences[1]))):
            losses, _ = objective.losses(batch)
            assert (
                {name: int(loss.count) for name, loss in losses.items()} == objective.counts(batch) == {"text": count}
            )
            assert float(losses["text"].total) == pytest.approx(total, rel=1e-4)


def test_a_hidden_token_sees_later_ones(objective: MaskedText) -> None:
    prompt = objective.prompt(EXAMPLES[0]).spans

    def first_state(last: int) -> Tensor:
        answer = objective.answer([7, 7, 7, 7, last], [True, False, False, False, False])
        return objective.model.hidden(collate([Spans((*prompt, answer))]))[0, -LENGTH]

    with torch.no_grad():
        assert not torch.allclose(first_state(7), first_state(8), atol=1e-3)


def test_it_learns_answers_and_draws_them_in_fewer_steps_than_tokens(objective: MaskedText) -> None:
    for parameter in objective.model.parameters():
        parameter.requires_grad_(True)
    torch.manual_seed(0)
    objective.model.part("backbone").apply(
        lambda part: torch.nn.init.normal_(part.weight, std=0.05) if isinstance(part, torch.nn.Linear) else None
    )
    optimizer = torch.optim.Adam(objective.model.part("backbone").parameters(), 3e-3)
    chance = np.random.default_rng(1)
    for _ in range(120):
        losses, _ = objective.losses(objective.prepare(EXAMPLES, chance))
        optimizer.zero_grad()
        losses["text"].mean.backward()
        optimizer.step()
    assert draw(objective, EXAMPLES, steps=3) == list(ANSWERS.values())
