"""The objective `semantic`: the tokenizer's losses, SigLIP's loss of the codes' vectors, and shares of a step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from janiform import Conversation, JaniformError, UnifiedModel, registry
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.recipe import read_recipe

CAPTIONS = ["a red circle", "a blue square above a red circle", "a red circle", "a small square"]
SMALL = ("backbone.layers=1", "generation.tokenizer.latent=8", "generation.tokenizer.channels=4")
KL = (
    'generation.tokenizer={ use = "kl", image_size = 16, channels = 4, groups = 2, multipliers = [1, 1], blocks = 1, '
    "latent = 3, attention = false, sampled = false }",
    'generation.embedding={ use = "patches", frequencies = 8 }',
    'generation.adapter={ use = "identity" }',
    'generation.head={ use = "values" }',
    'generation.sampler={ use = "flow", steps = 2 }',
)


def model_of(name: str, *changes: str) -> UnifiedModel:
    torch.manual_seed(0)
    model = build_model(compose(read_recipe(name, list(changes))))
    model.processor.fit(CAPTIONS * 4)
    return model.eval()


@pytest.fixture(scope="module")
def split() -> UnifiedModel:
    return model_of("janus-micro-split", *SMALL, "generation.tokenizer.reseed=0")


def make(model: UnifiedModel, **config: Any) -> Any:
    component = registry().find("objective", "semantic")
    torch.manual_seed(1)
    return component.load()(component.config(**{"width": 16, "layers": 1, "heads": 2} | config), model).eval()


def drawings(*numbers: int) -> list[Conversation]:
    pictures = [np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8) for number in numbers]
    return [Conversation.drawing(CAPTIONS[n], picture) for n, picture in zip(numbers, pictures, strict=True)]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_it_is_the_sum_of_the_tokenizer_s_losses_and_siglip_s_loss_of_the_codes_vectors(split: UnifiedModel) -> None:
    objective = make(split)
    pairs = objective.prepare(drawings(0, 1, 2, 3), rng())
    losses, figures = objective.losses(pairs)
    tokenizer: Any = split.part("generation.tokenizer")
    own, told = tokenizer.losses(pairs.pixels)
    assert losses.keys() == {"reconstruction", "contrastive"}
    assert losses["reconstruction"].total.item() == pytest.approx(sum(loss.total.item() for loss in own.values()))
    assert {name: figures[name].item() for name in told} == {name: value.item() for name, value in told.items()}
    assert figures["codebook"].item() == pytest.approx(own["codebook"].mean.item())

    vectors = tokenizer.vectors(tokenizer.encode(pairs.pixels))
    pictures = objective.pool(objective.projection(vectors)).double()
    captions = objective.text(pairs.ids, pairs.present).double()
    expected = 0.0
    for i in range(4):
        for j in range(4):
            cosine = torch.dot(pictures[i], captions[j]) / pictures[i].norm() / captions[j].norm()
            sign = 1 if CAPTIONS[i] == CAPTIONS[j] else -1
            expected += math.log1p(math.exp(-sign * (10.0 * cosine.item() - 10.0)))
    assert losses["contrastive"].total.item() == pytest.approx(expected, rel=1e-5)
    assert [loss.count.item() for loss in losses.values()] == [4, 4]


def test_captions_train_what_encodes_pictures_through_their_codes(split: UnifiedModel) -> None:
    objective = make(split, decoder=1)
    losses, _ = objective.losses(objective.prepare(drawings(0, 1, 3), rng()))
    tokenizer: Any = split.part("generation.tokenizer")
    own = {name: weight for name, weight in objective.named_parameters() if not name.startswith("tokenizer.")}
    for name in ("contrastive", "caption"):
        (gradient,) = torch.autograd.grad(losses[name].total, tokenizer.encoder.conv_in.weight, retain_graph=True)
        assert gradient.any(), name
        blind = torch.autograd.grad(
            losses[name].total, list(tokenizer.decoder.parameters()), retain_graph=True, allow_unused=True
        )
        assert blind == (None,) * len(blind), name
    total = sum(loss.mean for loss in losses.values())
    assert all(part is not None for part in torch.autograd.grad(total, list(own.values()), allow_unused=True))


def test_shares_of_a_step_add_up_where_captions_are_gathered(split: UnifiedModel) -> None:
    objective = make(split)
    assert objective.divisible
    weight = split.part("generation.tokenizer").encoder.conv_in.weight  # type: ignore[union-attr]
    whole = objective.losses(objective.prepare(drawings(0, 1, 2, 3), rng()))[0]
    shares = [objective.prepare(drawings(*some), rng()) for some in ((0,), (1, 2, 3))]
    vectors = [torch.nn.functional.normalize(objective.text(share.ids, share.present), dim=-1) for share in shares]
    ids = [torch.nn.functional.pad(share.ids, (0, objective.length - share.ids.shape[1])) for share in shares]
    objective.gather = lambda rows: torch.cat(vectors if rows.is_floating_point() else ids)
    parts = [objective.losses(share)[0] for share in shares]
    for name, loss in whole.items():
        assert sum(part[name].total.item() for part in parts) == pytest.approx(loss.total.item(), rel=1e-5)
        together = torch.autograd.grad(loss.total, weight, retain_graph=True)[0]
        added = sum(torch.autograd.grad(part[name].total, weight, retain_graph=True)[0] for part in parts)
        torch.testing.assert_close(added, together, rtol=1e-4, atol=1e-5)
    assert [objective.counts(share) for share in shares] == [
        {"reconstruction": 1, "contrastive": 1},
        {"reconstruction": 3, "contrastive": 3},
    ]


def test_a_tokenizer_whose_losses_are_no_sums_is_trained_by_one_process() -> None:
    for changes in (["generation.tokenizer.reseed=3"], ["generation.tokenizer.entropy=0.1"]):
        model = model_of(
            "janus-micro-split",
            *SMALL,
            *(changes if "reseed" in changes[0] else [*changes, "generation.tokenizer.reseed=0"]),
        )
        assert make(model).divisible is False


@pytest.mark.parametrize(
    "tokenizer",
    [
        ("vq", "vocabulary = 32, code_width = 4"),
        ("taming", "vocabulary = 32, code_width = 4"),
        ("fsq", "levels = [3, 5]"),
        ("lfq", "bits = 4"),
    ],
)
def test_it_trains_every_tokenizer_of_codes(tokenizer: tuple[str, str]) -> None:
    use, settings = tokenizer
    changed = (
        f'generation.tokenizer={{ use = "{use}", image_size = 16, channels = 4, groups = 2, multipliers = [1, 1], '
        f"blocks = 1, latent = 4, attention = false, {settings} }}"
    )
    objective = make(model_of("janus-micro", "backbone.layers=1", changed))
    losses, _ = objective.losses(objective.prepare(drawings(0, 1, 3), rng()))
    (gradient,) = torch.autograd.grad(losses["contrastive"].total, objective.tokenizer.encoder.conv_in.weight)
    assert gradient.any()


def test_it_pools_latents_as_they_are_drawn() -> None:
    model = model_of("janus-micro", "backbone.layers=1", "layout.full_pictures=true", *KL)
    objective = make(model)
    assert objective.divisible is False
    pairs = objective.prepare(drawings(0, 1, 3), rng())
    _, _, latents = objective.tokenizer.losses_and_vectors(pairs.pixels)
    torch.testing.assert_close(latents, objective.tokenizer.encode(pairs.pixels))
    losses, _ = objective.losses(pairs)
    assert losses["contrastive"].total.isfinite()
    assert objective.samples(drawings(0, 1)).picture.width > 2 * 128


def test_what_cannot_be_trained_is_said(split: UnifiedModel) -> None:
    with pytest.raises(JaniformError, match=r"'understanding', which has none.*known: generation"):
        make(model_of("janus-micro", "backbone.layers=1"), pathway="understanding")
    with pytest.raises(JaniformError, match=r"fewer than two captioned pictures: semantic needs a source that draws"):
        make(split).prepare([Conversation.document("a red circle")], rng())
    with pytest.raises(ValueError, match="width 16 is not a multiple of heads 3"):
        make(split, heads=3)
    dumb = model_of("janus-micro-split", *SMALL)
    object.__setattr__(dumb.part("generation.tokenizer"), "losses_and_vectors", None)
    with pytest.raises(JaniformError, match=r"split-vq@1 of generation.tokenizer does not give them in training"):
        make(dumb)


def test_a_stage_trains_the_tokenizer_by_it() -> None:
    recipe = read_recipe(
        "janus-micro-split", ['stage.tokenizer.objective={ use = "semantic", width = 16, layers = 1, heads = 2 }']
    )
    stage = evolve(recipe.stages["tokenizer"], weights={"contrastive": 0.5})
    assert stage.objective.config.reads(None) == ("generation.tokenizer", "text")
    with pytest.raises(JaniformError, match="names 'drawing', which is not a pathway of this recipe"):
        compose(read_recipe("janus-micro", ['stage.tokenizer.objective={ use = "semantic", pathway = "drawing" }']))
