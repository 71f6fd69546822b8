"""The connected model: how sequences are laid out changes no loss and no gradient; parts lie under their paths."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from attrs import evolve
from janiform import CompositionError, Conversation, JaniformError, Loss, Processor, Sequence, Turn, UnifiedModel
from janiform.model.build import build_model
from janiform_plugins.objectives.next_token import next_token_losses


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (20, 14, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def sequences(processor: Processor) -> list[Sequence]:
    conversations = [
        Conversation.asking("how many circles?", picture(0), answer="two"),
        Conversation.drawing("a red circle above the small square", picture(1)),
        Conversation.document("the blue square is large"),
        Conversation.asking("which is larger?", picture(2), picture(3), answer="the circle, I think"),
        Conversation(
            (*Conversation.drawing("blue", picture(4)).turns, *Conversation.asking("sure?", answer="no").turns)
        ),
    ]
    sequences = [processor.sequence(conversation) for conversation in conversations]
    sequences[1] = processor.unconditional(sequences[1])
    return sequences


def losses_and_gradients(model: UnifiedModel, batches: list[Any]) -> tuple[dict[str, Loss], dict[str, torch.Tensor]]:
    model = copy.deepcopy(model)
    total: dict[str, Loss] = {}
    for batch in batches:
        for name, loss in next_token_losses(model, batch).items():
            total[name] = total[name] + loss if name in total else loss
    torch.stack([loss.mean for loss in total.values()]).sum().backward()
    return total, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_packed_padded_and_alone_give_the_same(tiny_model: UnifiedModel, sequences: list[Sequence]) -> None:
    processor = tiny_model.processor
    alone, wanted = losses_and_gradients(tiny_model, [processor.collate([sequence]) for sequence in sequences])
    assert set(alone) == {"understanding", "generation", "text"}
    ways = [[processor.collate(sequences)], [processor.collate(sequences, "left")], [processor.pack(sequences, 128)],
            [processor.pack(sequences[:2], 100), processor.pack(sequences[2:], 128)]]  # fmt: skip
    for batches in ways:
        losses, gradients = losses_and_gradients(tiny_model, batches)
        for name, loss in alone.items():
            assert losses[name].count == loss.count
            torch.testing.assert_close(losses[name].mean, loss.mean, rtol=1e-5, atol=1e-5)
        assert gradients.keys() == wanted.keys()
        for name, gradient in gradients.items():
            scale = wanted[name].abs().max().clamp(min=1)
            assert ((gradient - wanted[name]).abs().max() / scale) < 1e-5, name


def test_losses_are_the_cross_entropies_of_the_next_tokens(tiny_model: UnifiedModel, sequences: list[Sequence]) -> None:
    model = tiny_model
    batch = model.processor.collate([sequences[1]])
    codes = model.generation.tokenizer.encode(batch.pictures["generation"].pixels)
    hidden = model.hidden(batch)[0]
    first = int(batch.pictures["generation"].positions[0, 0])
    logits = model.generation.head(hidden[first - 1 : first + 15])
    expected = F.cross_entropy(logits, codes[0, :, 0], reduction="sum")
    torch.testing.assert_close(next_token_losses(model, batch)["generation"].total, expected)

    batch = model.processor.collate([sequences[2]])
    logits = model.backbone.logits(model.hidden(batch)[0, :-1])
    expected = F.cross_entropy(logits, batch.ids[0, 1:], reduction="sum")
    torch.testing.assert_close(next_token_losses(model, batch)["text"].total, expected)


def test_what_is_drawn_is_read_as_embedded_codes(tiny_model: UnifiedModel, sequences: list[Sequence]) -> None:
    model = tiny_model
    batch = model.processor.collate([sequences[1]])
    at = batch.pictures["generation"].positions[0]
    codes = model.generation.tokenizer.encode(batch.pictures["generation"].pixels)
    read = model.generation.adapter(model.generation.embedding(codes))
    torch.testing.assert_close(model.embed(batch)[0, at], read[0])


def test_codes_may_be_given_instead_of_pixels(tiny_model: UnifiedModel) -> None:
    processor = tiny_model.processor
    shown = processor.sequence(Conversation.drawing("a red circle", picture(1)))
    codes = tiny_model.drawn(processor.collate([shown]).pictures["generation"], "generation")[0]
    known = processor.sequence(Conversation.drawing("a red circle", codes))
    expected = next_token_losses(tiny_model, processor.collate([shown]))["generation"]
    torch.testing.assert_close(
        next_token_losses(tiny_model, processor.collate([known]))["generation"].total, expected.total
    )


def test_frozen_tokenizers_get_no_gradient_and_others_do(tiny_model: UnifiedModel, sequences: list[Sequence]) -> None:
    _, gradients = losses_and_gradients(tiny_model, [tiny_model.processor.collate(sequences)])
    owners = {".".join(name.split(".")[:2]) for name in gradients}
    assert not any(owner.startswith("generation.tokenizer") for owner in owners)
    assert {"understanding.encoder", "understanding.adapter", "generation.embedding", "generation.head"} <= owners


def test_weights_lie_under_the_paths_of_their_parts(tiny_model: UnifiedModel) -> None:
    prefixes = {key.partition(".")[0] for key in tiny_model.state_dict()}
    assert prefixes == {"backbone", "understanding", "generation"}
    assert tiny_model.part("generation.head") is tiny_model.generation.head
    with pytest.raises(JaniformError, match=r"built without the part 'generation\.decoder'"):
        tiny_model.part("generation.decoder")


def shared_plan(make_plan: Any) -> Any:
    from janiform.recipe import Pathway, Share

    parts = {kind: Share(f"generation.{kind}") for kind in ("tokenizer", "embedding", "adapter")}
    return make_plan({"understanding": Pathway("understanding", "look", parts)})


def test_a_shared_part_is_kept_once(make_plan: Any, fitted: Any) -> None:
    model = fitted(shared_plan(make_plan))
    assert model.understanding.adapter is model.generation.adapter
    assert not any(key.startswith("understanding") for key in model.state_dict())
    copied = copy.deepcopy(model)
    assert copied.understanding.adapter is copied.generation.adapter is not model.generation.adapter
    processor = model.processor
    asked = processor.sequence(Conversation.asking("how many?", picture(0), answer="two"))
    drawn = processor.sequence(Conversation.drawing("two", picture(0)))
    together = next_token_losses(model, processor.collate([asked, drawn]))
    for name, sequence in (("understanding", asked), ("generation", drawn)):
        alone = next_token_losses(model, processor.collate([sequence]))[name]
        torch.testing.assert_close(together[name].mean, alone.mean, rtol=1e-5, atol=1e-5)


def test_half_a_model_works_for_what_it_has(tiny_plan: Any) -> None:
    model = build_model(tiny_plan, parts=("backbone", "understanding"))
    model.processor.fit(["a red circle"])
    asked = model.processor.sequence(Conversation.asking("how many?", picture(0), answer="two"))
    assert set(next_token_losses(model, model.processor.collate([asked]))) == {"understanding"}
    drawn = model.processor.sequence(Conversation.drawing("two", picture(0)))
    with pytest.raises(JaniformError, match=r"built without the part 'generation\.tokenizer'"):
        next_token_losses(model, model.processor.collate([drawn]))


def test_a_pathway_cannot_hide_a_method(tiny_plan: Any) -> None:
    with pytest.raises(CompositionError, match="train: a pathway cannot have this name"):
        UnifiedModel(tiny_plan, {"train.adapter": torch.nn.Identity()})


def test_a_pathway_that_is_not_there_is_named(processor: Processor) -> None:
    with pytest.raises(JaniformError, match=r"no pathway 'understandin'.*understanding"):
        processor.sequence(Conversation.asking("x", picture(0), pathway="understandin"))
    with pytest.raises(JaniformError, match="cannot draw"):
        processor.sequence(Conversation.drawing("x", picture(0), pathway="understanding"))


def test_an_image_that_is_only_context_has_no_loss(processor: Processor) -> None:
    turns = (*Conversation.drawing("blue", picture(4)).turns, Turn("user", "sure?"))
    batch = processor.collate([processor.sequence(Conversation(turns), answer=False)])
    assert not batch.codes
    assert batch.pictures["generation"].pixels.shape == (1, 3, 16, 16)


def test_full_blocks_are_refused_where_the_backbone_cannot_serve_them(
    tiny_model: UnifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = tiny_model.processor
    causal = processor.sequence(Conversation.asking("how many?", picture(0), answer="two"))
    full = Sequence(evolve(span, mask="full") if span.kind == "look" else span for span in causal.spans)
    monkeypatch.setattr(type(tiny_model.part("backbone")), "full_blocks", False, raising=False)
    tiny_model.embed(processor.collate([causal]))
    with pytest.raises(JaniformError, match="the backbone does not support full blocks"):
        tiny_model.embed(processor.collate([full]))
