"""Objectives compute the losses of their papers on what the conversations hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from janiform import Conversation, Draw, JaniformError, Look, SampleError, Turn, UnifiedModel, registry, sampler_of
from janiform_plugins.objectives.reconstruction import tokenizer_quality


def make(name: str, model: UnifiedModel, **config: Any) -> Any:
    component = registry().find("objective", name)
    torch.manual_seed(1)
    return component.load()(component.config(**config), model).eval()


def picture(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)


CAPTIONS = ["a red circle", "a blue square above a red circle", "a red circle", "a small square"]
DRAWINGS = [Conversation.drawing(caption, picture(index)) for index, caption in enumerate(CAPTIONS)]
QUESTIONS = [Conversation.asking("is there a square?", picture(9), answer="yes")]
TEXTS = [Conversation.document("a large blue square is above the circle")]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_contrastive_loss_is_siglips(tiny_model: UnifiedModel) -> None:
    objective = make("contrastive", tiny_model, width=16, heads=2, layers=1)
    pairs = objective.prepare([*DRAWINGS, *QUESTIONS, *TEXTS], rng())
    assert pairs.pixels.shape == (4, 3, 16, 16)
    losses, figures = objective.losses(pairs)
    pictures = objective.pool(objective.encoder(pairs.pixels)).double()
    captions = objective.text(pairs.ids, pairs.present).double()
    expected = 0.0
    for i in range(4):
        for j in range(4):
            similarity = torch.dot(pictures[i], captions[j]) / pictures[i].norm() / captions[j].norm()
            score = 10.0 * similarity.item() - 10.0
            same = 1 if CAPTIONS[i] == CAPTIONS[j] else -1
            expected += math.log1p(math.exp(-same * score))
    assert losses["understanding"].total.item() == pytest.approx(expected, rel=1e-5)
    assert losses["understanding"].count.item() == 4
    assert 0 <= figures["retrieval"].item() <= 1


def test_shares_of_a_step_add_up_where_captions_are_gathered(tiny_model: UnifiedModel) -> None:
    objective = make("contrastive", tiny_model, width=16, heads=2, layers=1)
    whole = objective.losses(objective.prepare(DRAWINGS, rng()))[0]["understanding"]
    shares = [objective.prepare(some, rng()) for some in (DRAWINGS[:1], DRAWINGS[1:])]
    vectors = [torch.nn.functional.normalize(objective.text(share.ids, share.present), dim=-1) for share in shares]
    ids = [torch.nn.functional.pad(share.ids, (0, objective.length - share.ids.shape[1])) for share in shares]
    objective.gather = lambda rows: torch.cat(vectors if rows.is_floating_point() else ids)
    parts = [objective.losses(share)[0]["understanding"] for share in shares]
    assert sum(part.total.item() for part in parts) == pytest.approx(whole.total.item(), rel=1e-5)
    assert [objective.counts(share) for share in shares] == [{"understanding": 1}, {"understanding": 3}]
    assert [part.count.item() for part in parts] == [1, 3]


def test_captions_are_read_alike_whatever_stands_beside_them(tiny_model: UnifiedModel) -> None:
    objective = make("contrastive", tiny_model, width=16, heads=2, layers=2)
    together = objective.prepare(DRAWINGS, rng())
    pair = objective.prepare([DRAWINGS[0], DRAWINGS[2]], rng())
    assert together.ids.shape[1] > pair.ids.shape[1]
    torch.testing.assert_close(
        objective.text(together.ids, together.present)[[0, 2]], objective.text(pair.ids, pair.present)
    )


def test_captions_are_told_token_by_token_from_the_features_of_their_picture(tiny_model: UnifiedModel) -> None:
    objective = make("contrastive", tiny_model, width=16, heads=2, layers=1, decoder=2)
    pairs = objective.prepare(DRAWINGS, rng())
    losses, _ = objective.losses(pairs)
    features = objective.encoder(pairs.pixels)
    expected, count = 0.0, 0
    for row, length in enumerate(pairs.present.sum(1).tolist()):
        for place in range(length):
            # Alone, and with what comes after the token not even there.
            ids = pairs.ids[row : row + 1, : place + 1]
            states = objective.decoder(ids, torch.tensor([place]), features[row : row + 1])
            told = objective.decoder.head(states)[0]
            expected -= told.double().log_softmax(-1)[ids[0, -1]].item()
            count += 1
    assert losses["caption"].total.item() == pytest.approx(expected, rel=1e-5)
    assert losses["caption"].count.item() == objective.counts(pairs)["caption"] == count
    alone = make("contrastive", tiny_model, width=16, heads=2, layers=1).losses(pairs)[0]
    assert set(alone) == {"understanding"}


def test_every_feature_learns_from_captions(tiny_model: UnifiedModel) -> None:
    objective = make("contrastive", tiny_model, width=16, heads=2, layers=1, decoder=1)
    pairs = objective.prepare(DRAWINGS, rng())
    features = objective.encoder(pairs.pixels).detach().requires_grad_()
    objective.decoder.head(objective.decoder(pairs.ids, pairs.positions, features)).logsumexp(-1).sum().backward()
    assert features.grad is not None
    assert (features.grad.abs().sum(-1) > 0).all()
    losses, _ = objective.losses(pairs)
    own = [parameter for name, parameter in objective.named_parameters() if not name.startswith("encoder.")]
    gradients = torch.autograd.grad(sum(loss.mean for loss in losses.values()), own, allow_unused=True)
    assert all(gradient is not None for gradient in gradients)


@pytest.mark.parametrize("pool", ["attention", "mean"])
def test_the_encoder_and_what_the_objective_owns_learn(tiny_model: UnifiedModel, pool: str) -> None:
    objective = make("contrastive", tiny_model, width=16, heads=2, layers=1, pool=pool)
    losses, _ = objective.losses(objective.prepare(DRAWINGS, rng()))
    own = {name: parameter for name, parameter in objective.named_parameters() if not name.startswith("encoder.")}
    gradients = torch.autograd.grad(losses["understanding"].mean, list(own.values()), allow_unused=True)
    unused = {name for name, gradient in zip(own, gradients, strict=True) if gradient is None}
    assert unused == set()
    assert ("pool.query" in own) == (pool == "attention")


def test_reconstruction_sees_every_picture_and_gives_the_tokenizers_losses(tiny_model: UnifiedModel) -> None:
    objective = make("reconstruction", tiny_model)
    pixels = objective.prepare([*DRAWINGS, *QUESTIONS, *TEXTS], rng())
    assert pixels.shape == (5, 3, 16, 16)
    losses, _ = objective.losses(pixels)
    expected, _ = tiny_model.part("generation.tokenizer").losses(pixels)  # type: ignore[operator]
    assert {name: loss.mean.item() for name, loss in losses.items()} == {
        name: loss.mean.item() for name, loss in expected.items()
    }
    assert objective.samples([*DRAWINGS, *QUESTIONS]).picture.width > 5 * 128


def test_prompts_are_blanked_as_often_as_asked_and_only_to_draw(tiny_model: UnifiedModel) -> None:
    examples = DRAWINGS * 50 + QUESTIONS * 50
    plain = make("autoregressive", tiny_model, text_dropout=0.0).prepare(examples, rng())
    dropped = make("autoregressive", tiny_model, text_dropout=0.25).prepare(examples, rng())
    differing = (plain.ids != dropped.ids).any(1)
    assert not differing[200:].any()
    assert 0.25 - 4 * 0.031 < differing[:200].float().mean() < 0.25 + 4 * 0.031
    always = make("autoregressive", tiny_model, text_dropout=1.0).prepare(DRAWINGS, rng())
    row = always.ids[0].tolist()
    sequence = tiny_model.processor.unconditional(tiny_model.processor.sequence(DRAWINGS[0]))
    assert row[: len(sequence)] == sequence.ids
    assert torch.equal(always.pictures["generation"].positions, make("autoregressive", tiny_model, text_dropout=0.0)
                       .prepare(DRAWINGS, rng()).pictures["generation"].positions)  # fmt: skip


def test_parts_of_a_prompt_are_hidden_each_as_often_as_asked(tiny_model: UnifiedModel) -> None:
    edits = [Conversation.drawing("make it red", picture(i), sources=[picture(i + 50)]) for i in range(200)]
    plain = make("autoregressive", tiny_model, text_dropout=0.0)
    hiding = make("autoregressive", tiny_model, text_dropout=0.0, dropout={"text": 0.25, "understanding": 0.5})
    looks, words, both = 0, 0, 0
    generator, pad = rng(), tiny_model.processor.layout.pad_id
    for edit in edits:
        whole, sequence = plain.prepare_one(edit, rng()), hiding.prepare_one(edit, generator)
        assert len(whole) == len(sequence)
        assert sequence.spans[-2:] == whole.spans[-2:]  # the picture to draw and its end
        hidden = not any(span.kind == "look" for span in sequence.spans)
        wordless = sequence.spans[0].ids[1] == pad
        looks, words, both = looks + hidden, words + wordless, both + (hidden and wordless)
    assert abs(looks - 100) < 4 * math.sqrt(50)
    assert abs(words - 50) < 4 * math.sqrt(37.5)
    assert abs(both - 25) < 4 * math.sqrt(22)


def test_packing_changes_no_loss(tiny_model: UnifiedModel) -> None:
    examples = [*DRAWINGS, *QUESTIONS, *TEXTS]
    rows = make("autoregressive", tiny_model, text_dropout=0.0)
    packed = make("autoregressive", tiny_model, text_dropout=0.0, packed=160)
    batch = packed.prepare(examples, rng())
    assert len(batch.ids) < len(examples)
    with torch.no_grad():
        left, right = rows.losses(rows.prepare(examples, rng()))[0], packed.losses(batch)[0]
    assert left.keys() == right.keys() == {"generation", "understanding", "text"}
    for name, loss in left.items():
        assert loss.count.item() == right[name].count.item()
        assert loss.total.item() == pytest.approx(right[name].total.item(), rel=1e-4)


def test_what_is_too_long_is_cut_or_passed_over_and_said(tiny_model: UnifiedModel) -> None:
    notes: list[tuple[str, str]] = []
    long = Conversation.document("a red circle " * 200)
    whole = tiny_model.processor.sequence(long)
    for packed, limit in ((0, 256), (40, 40)):
        cutting = make("autoregressive", tiny_model, packed=packed)
        sequence = cutting.prepare_one(long, rng(), lambda *note: notes.append(note))
        assert sequence.ids == whole.ids[:limit]
        assert notes.pop() == (
            "cut", f"{len(whole)} positions, where a row has {limit}: {len(whole) - limit} are left out at its end"
        )  # fmt: skip
        skipping = make("autoregressive", tiny_model, packed=packed, too_long="skip")
        with pytest.raises(SampleError, match=f"where a row has {limit}") as caught:
            skipping.prepare_one(long, rng(), None)
        assert caught.value.kind == "too long"
    with pytest.raises(SampleError):  # half a picture is none
        make("autoregressive", tiny_model, packed=20).prepare_one(DRAWINGS[0], rng(), None)
    assert not notes


def test_samples_draw_and_answer(tiny_model: UnifiedModel) -> None:
    objective = make("autoregressive", tiny_model)
    state = torch.get_rng_state()
    samples = objective.samples([*DRAWINGS, *QUESTIONS, *TEXTS])
    assert samples.picture.height > 128
    asked = [(question.turns[0].text.strip(), question.turns[1].text.strip()) for question in QUESTIONS]
    assert [(question, expected) for question, _, expected in samples.answers] == asked
    assert torch.equal(torch.get_rng_state(), state)
    assert objective.samples(TEXTS) is None


EDIT = Conversation(
    (Turn("user", (Look(picture(3)), "\n", "make it red")), Turn("assistant", ("Here: ", Draw(picture(4)), "done")))
)


def prompts_of(examples: list[Conversation], model: UnifiedModel, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The samples of examples, and the prompts that their pictures were drawn from."""
    prompts: list[Any] = []
    sampler = sampler_of(model.plan, "generation")

    class Watching:
        def draw(self, model: Any, given: Any, **settings: Any) -> Any:
            prompts.extend(given)
            return sampler.draw(model, given, **settings)

    monkeypatch.setattr("janiform_plugins.objectives.samples.sampler_of", lambda *_: Watching())
    return make("autoregressive", model).samples(examples), prompts


def test_what_is_drawn_from_a_picture_is_sampled_from_it(
    tiny_model: UnifiedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, (prompt,) = prompts_of([EDIT], tiny_model, monkeypatch)
    trained = tiny_model.processor.sequence(EDIT)
    assert prompt.ids == trained.ids[: len(prompt)]
    assert trained.after(len(prompt)).spans[0].kind == "draw"
    assert [span.kind for span in prompt.spans].count("look") == 1
    assert samples.answers == (), "a drawing is not a question"
    (alone, _) = prompts_of([Conversation.drawing("make it red", picture(4))], tiny_model, monkeypatch)
    assert samples.picture.width > alone.picture.width, "the given picture and the drawn one"


def test_plain_prompts_are_those_of_generation(tiny_model: UnifiedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    _, prompts = prompts_of(DRAWINGS, tiny_model, monkeypatch)
    assert [prompt.ids for prompt in prompts] == [
        tiny_model.processor.drawing_prompt(caption).ids for caption in CAPTIONS
    ]


def test_samples_leave_out_what_cannot_be_sampled(tiny_model: UnifiedModel) -> None:
    objective = make("autoregressive", tiny_model)
    long = "a red circle " * 200
    rest = [
        Conversation.drawing(long, picture(1)),
        Conversation.asking(long, picture(1), answer="yes"),
        Conversation((Turn("assistant", (Draw(picture(1)), "a circle")),)),
    ]
    assert objective.samples(rest) is None
    assert objective.samples([*rest, *QUESTIONS]).answers
    later = Conversation((Turn("user", "hello"), Turn("assistant", "hi"), *QUESTIONS[0].turns))
    assert [row[::2] for row in objective.samples([later]).answers] == [("is there a square?", "yes")]
    assert make("reconstruction", tiny_model).samples(TEXTS) is None


def test_questions_are_told_from_drawings_whatever_the_turns(tiny_model: UnifiedModel) -> None:
    def asked(*turns: Turn) -> list[tuple[str, str]]:
        samples = make("autoregressive", tiny_model).samples([Conversation(turns)])
        return [row[::2] for row in samples.answers]

    look, draw = Turn("user", (Look(picture(1)),)), Turn("assistant", (Draw(picture(2)),))
    assert asked(look, Turn("user", "make it red"), draw) == [], "a drawing asked for in two turns"
    assert asked(look, Turn("user", "what is it?"), Turn("assistant", "a cat")) == [("what is it?", "a cat")]
    assert asked(*EDIT.turns, *QUESTIONS[0].turns) == [("is there a square?", "yes")], "a question after a drawing"
    assert asked(*QUESTIONS[0].turns, *EDIT.turns) == [("is there a square?", "yes")], "and one before it"


def test_all_pictures_of_a_question_are_shown(tiny_model: UnifiedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    sheets: list[tuple[int, list[str]]] = []

    def sheet(pictures: list[Any], captions: list[str], **_: Any) -> Any:
        sheets.append((len(pictures), captions))
        return pictures[0]

    monkeypatch.setattr("janiform_plugins.objectives.samples.contact_sheet", sheet)
    make("autoregressive", tiny_model).samples([Conversation.asking("same?", picture(1), picture(2), answer="no")])
    ((count, captions),) = sheets
    assert count == 2
    assert captions[0] == "given"
    assert captions[1].startswith("same? ")


def test_what_cannot_be_trained_is_said(tiny_model: UnifiedModel) -> None:
    with pytest.raises(JaniformError, match=r"'understanding', which has none.*known: generation"):
        make("reconstruction", tiny_model, pathway="understanding")
    with pytest.raises(JaniformError, match=r"'generation', which has none.*known: understanding"):
        make("contrastive", tiny_model, pathway="generation")
    with pytest.raises(JaniformError, match="no picture to reconstruct"):
        make("reconstruction", tiny_model).prepare(TEXTS, rng())
    alone = make("contrastive", tiny_model, width=16, heads=2)
    pair = alone.prepare(DRAWINGS[:1], rng())
    with pytest.raises(JaniformError, match="fewer than two captioned pictures"):
        alone.losses(pair)
    two_turns = Conversation([Turn("user", (Look(picture(1)), "what?")), Turn("assistant", "a square")])
    with pytest.raises(JaniformError, match="fewer than two captioned pictures"):
        make("contrastive", tiny_model).prepare([two_turns] * 3, rng())


def test_the_quality_of_a_tokenizer_is_the_variance_that_it_loses_and_the_codes_that_it_uses() -> None:
    pixels = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mean = pixels.mean((2, 3), keepdim=True).expand_as(pixels)
    codes = torch.tensor([[[0, 5], [1, 5]]] * 4)
    exact = tokenizer_quality(pixels, pixels, codes, vocabulary=8)
    assert exact is not None
    assert (exact.error, exact.pictures, exact.vocabulary) == (0, 4, 8)
    assert exact.used == (2, 1)
    assert exact.perplexity == pytest.approx((2, 1))
    plain = tokenizer_quality(pixels, mean, codes, vocabulary=8)
    assert plain is not None
    assert plain.error == pytest.approx(1)
    half = tokenizer_quality(pixels, (pixels + mean) / 2, torch.rand(4, 2, 3), vocabulary=0)
    assert half is not None
    assert half.error == pytest.approx(0.25)
    assert half.used == half.perplexity == (), "latents are not counted"
    assert tokenizer_quality(mean, mean, codes, vocabulary=8) is None, "plain pictures have no variance to lose"
