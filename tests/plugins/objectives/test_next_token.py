"""What next-token prediction predicts, and from which states."""

from __future__ import annotations

import pytest
import torch
from janiform import Sequence, Span, UnifiedModel, UsageError, collate, pack
from janiform_plugins.objectives.next_token import next_token_losses, predictable, prediction_counts
from torch.nn import functional as F


def text(*ids: int, loss: bool = True) -> Span:
    return Span("text", ids, loss=loss)


def test_the_first_token_of_a_document_is_not_predicted(tiny_model: UnifiedModel) -> None:
    sequences = [Sequence([text(3, 4, 5)]), Sequence([text(6, loss=False), text(7, 8)]), Sequence([text(9)])]
    batch = predictable(pack(sequences, 6))
    assert sorted(batch.ids.flatten()[batch.text["text"]].tolist()) == [4, 5, 7, 8]
    assert prediction_counts(tiny_model, batch) == {"text": 4}
    assert predictable(collate([Sequence([text(9)])])).text == {}


def test_a_token_is_predicted_from_the_state_before_it(tiny_model: UnifiedModel) -> None:
    batch = predictable(collate([Sequence([text(3, 4, 5)]), Sequence([text(6, loss=False), text(7)])]))
    states = tiny_model.hidden(batch)
    backbone = tiny_model.part("backbone")
    logits = backbone.logits(states[[0, 0, 1], [0, 1, 0]])  # type: ignore[operator]
    loss = next_token_losses(tiny_model, batch)["text"]
    torch.testing.assert_close(loss.total, F.cross_entropy(logits, torch.tensor([4, 5, 7]), reduction="sum"))
    assert int(loss.count) == 3


def test_a_document_cannot_begin_with_a_picture_to_draw() -> None:
    batch = collate([Sequence([Span("draw", [1], "generation", torch.zeros(3, 2, 2), loss=True)])])
    with pytest.raises(UsageError, match="no state precedes its first code"):
        predictable(batch)


def test_targets_are_predicted_where_they_stand_beside_the_next_tokens(tiny_model: UnifiedModel) -> None:
    hidden = Span("text", [9, 9, 4], loss=True, block=1, targets=(3, -1, 5))
    mark = Span("text", [6], loss=True, targets=[6], loss_name="generation")
    batch = predictable(pack([Sequence([text(1, 2), hidden, mark]), Sequence([hidden])], 20))
    states, backbone = tiny_model.hidden(batch)[0], tiny_model.part("backbone")
    expected = {
        "text": (states[[0, 2, 4, 6, 8]], torch.tensor([2, 3, 5, 3, 5])),
        "generation": (states[[5]], torch.tensor([6])),
    }
    losses = next_token_losses(tiny_model, batch)
    assert losses.keys() == expected.keys()
    for name, (of, ids) in expected.items():
        wanted = F.cross_entropy(backbone.logits(of), ids, reduction="sum")  # type: ignore[operator]
        torch.testing.assert_close(losses[name].total, wanted)
        assert int(losses[name].count) == prediction_counts(tiny_model, batch)[name] == len(ids)


def test_targets_are_as_many_as_positions() -> None:
    with pytest.raises(ValueError, match="a span of 2 positions needs as many targets, got 1"):
        Span("text", [1, 2], loss=True, targets=[1])
