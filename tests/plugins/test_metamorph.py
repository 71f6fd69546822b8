"""MetaMorph: features as latents, predicted place by place, against transformers and the definitions of its paper."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from janiform import (
    CompositionError,
    Conversation,
    Draw,
    KeyMap,
    Look,
    Model,
    Turn,
    UnifiedModel,
    UsageError,
    build_model,
    read_recipe_text,
    registry,
    sampler_of,
    save_model,
)
from janiform.cli import main
from janiform.compose import compose
from janiform.measure.contract_checks import check_contracts
from janiform.train.run.start import begin
from janiform_plugins.embeddings.patches import PatchEmbedding
from janiform_plugins.tokenizers.features.config import FEATURES_PRESETS, FeaturesConfig
from janiform_plugins.tokenizers.features.tokenizer import FeaturesTokenizer
from janiform_plugins.tokenizers.weights import siglip_features
from torch.nn.functional import cosine_similarity, interpolate, normalize
from transformers import SiglipConfig, SiglipModel, SiglipVisionConfig, SiglipVisionModel

TINY = """\
recipe = 1
name = "tiny-metamorph"
understanding = { share = "generation" }

[backbone]
use = "llama"
vocabulary = 300
width = 32
inner = 48
layers = 2
heads = 2
context = 256

[text]
use = "bpe"
vocabulary = 280

[layout]
use = "janus"
system = ""

[generation]
tokenizer = { use = "features", image_size = 16, patch_size = 4, width = 12, layers = 1, heads = 2, side = 2 }
embedding = { use = "patches", time = "none", layers = 2 }
adapter = { use = "identity" }
head = { use = "regression", layers = 2 }
sampler = { use = "regression" }
"""

DECODER = "side = 2 -> side = 2, decoder_channels = 4, decoder_multipliers = [1, 1, 2, 2], decoder_blocks = 1"
TEXTS = ("a red circle", "two small green squares", "blue")


def tiny(*changes: str) -> str:
    text = TINY
    for change in changes:
        old, new = change.split(" -> ")
        assert old in text, old
        text = text.replace(old, new)
    return text


def model_of(*changes: str) -> UnifiedModel:
    torch.manual_seed(0)
    model = build_model(compose(read_recipe_text(tiny(*changes))))
    model.processor.fit(TEXTS * 4)
    return model.eval().requires_grad_(False)


def objective_of(model: UnifiedModel, **settings: Any) -> Any:
    component = registry().find("objective", "autoregressive")
    return component.load()(component.config(**settings), model)


def drawing(seed: int) -> Conversation:
    """A picture that is looked at, one that is drawn, and text around them."""
    pictures = np.random.default_rng(seed).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    return Conversation(
        (
            Turn("user", ("like this", Look(pictures[0]), TEXTS[seed % 3])),
            Turn("assistant", (Draw(pictures[1]), "as you wish")),
        )
    )


def filled(module: torch.nn.Module, keys: KeyMap, state: dict[str, torch.Tensor]) -> None:
    """Fill a part from tensors under other names, as its map of names says."""
    for name, tensor in module.state_dict().items():
        pieces = [state[piece.name] for piece in keys.pieces(name, tensor.shape) or ()]
        assert pieces, name
        tensor.copy_(torch.cat(pieces).view_as(tensor))


@torch.no_grad()
@pytest.mark.parametrize("seed", range(4))
def test_latents_are_the_interpolated_features_of_siglip(seed: int) -> None:
    """The last hidden state before the last norm, interpolated and scaled, as ``siglip_encoder.py`` of its release."""
    chance = random.Random(seed)
    patch, heads, side = chance.choice((4, 7)), chance.choice((1, 2, 3)), chance.choice((2, 3))
    config = FeaturesConfig(
        image_size=patch * 4 + chance.choice((0, 3)), patch_size=patch, width=heads * 9, layers=2, heads=heads,
        inner=20, activation="gelu-tanh", cut_edges=True, side=side, final_norm=False,
    )  # fmt: skip
    torch.manual_seed(seed)
    theirs = SiglipVisionModel(
        SiglipVisionConfig(
            hidden_size=config.width, intermediate_size=20, num_hidden_layers=2, num_attention_heads=heads,
            image_size=config.image_size, patch_size=patch,
        )
    ).eval()  # fmt: skip
    ours = FeaturesTokenizer(config).eval()
    filled(ours, siglip_features(config)[1], theirs.state_dict())
    pixels = torch.rand(2, 3, config.image_size, config.image_size) * 2 - 1
    states = theirs(pixels, output_hidden_states=True).hidden_states[-1]
    planes = states.view(2, 4, 4, config.width).permute(0, 3, 1, 2)
    smaller = interpolate(planes, size=(side, side), mode="bilinear", align_corners=False)
    wanted = normalize(smaller.permute(0, 2, 3, 1).flatten(1, 2), p=2, dim=-1)
    assert torch.allclose(ours.encode(pixels), wanted, atol=1e-5)


@pytest.mark.parametrize("whole", [True, False])
def test_a_released_siglip_fills_the_tokenizer(tmp_path: Path, whole: bool) -> None:
    """A complete SigLIP, and its vision model alone; the decoder keeps its initial weights."""
    sizes: dict[str, Any] = {
        "hidden_size": 12, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 16,
        "patch_size": 4,
    }  # fmt: skip
    torch.manual_seed(3)
    if whole:
        text = {"vocab_size": 9, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
                "num_attention_heads": 1, "projection_size": 12}  # fmt: skip
        theirs: Any = SiglipModel(SiglipConfig(vision_config=sizes, text_config=text))
        tower = theirs.vision_model
    else:
        theirs = tower = SiglipVisionModel(SiglipVisionConfig(**sizes))
    theirs.eval().save_pretrained(tmp_path)
    model = model_of(DECODER, 'side = 2 -> side = 2, activation = "gelu-tanh", final_norm = false')
    before = {name: tensor.clone() for name, tensor in model.state_dict().items() if ".decoder." in name}
    begin(model, {"generation.tokenizer": str(tmp_path)}, lambda sentence: None)
    pixels = torch.rand(2, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        states = tower(pixels, output_hidden_states=True).hidden_states[-1]
    planes = interpolate(states.view(2, 4, 4, 12).permute(0, 3, 1, 2), (2, 2), mode="bilinear")
    wanted = normalize(planes.flatten(2).transpose(1, 2), dim=-1)
    encoded: Any = model.part("generation.tokenizer")
    torch.testing.assert_close(encoded.encode(pixels), wanted, atol=1e-5, rtol=0)
    assert before
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())


def test_the_preset_is_so400m_with_64_places() -> None:
    config = FeaturesConfig(**FEATURES_PRESETS["metamorph"])
    assert (config.features().tokens, config.latents().tokens, config.latents().width) == (729, 64, 1152)
    assert not config.decodes


def test_the_loss_is_the_cosine_of_what_the_state_before_each_place_predicts() -> None:
    model = model_of()
    objective = objective_of(model, text_dropout=0.0)
    batch = objective.prepare([drawing(seed) for seed in range(3)], np.random.default_rng(0))
    losses, _ = objective.losses(batch)
    assert {name: int(loss.count) for name, loss in losses.items()} == objective.counts(batch)
    pictures = batch.pictures["generation"]
    latents = model.drawn(pictures, "generation")
    states = model.hidden(batch).flatten(0, 1)
    predicted = model.part("generation.head")(states[pictures.positions.flatten() - 1])
    exact = (1 - cosine_similarity(predicted, latents.flatten(0, 1), dim=-1)).sum()
    assert losses["generation"].total.item() == pytest.approx(exact.item(), rel=1e-5)
    assert int(losses["generation"].count) == 3 * 4


HYBRID = 'use = "llama" -> use = "bamba"\nmamba_heads = 2\nstate = 4\ngroups = 1\nconv = 2\nchunk = 8\nattention = [0]'


@torch.no_grad()
@pytest.mark.parametrize("guidance", [1.0, 2.5])
@pytest.mark.parametrize(("renorm", "changes"), [(True, ()), (False, ()), (True, (HYBRID,))])
def test_drawing_reads_everything_anew_for_each_place(guidance: float, renorm: bool, changes: tuple[str, ...]) -> None:
    """As the released loop, which appends the projected prediction and reads the whole sequence without a cache."""
    model = model_of(*changes)
    head: Any = model.part("generation.head")
    prompts = [model.processor.drawing_prompt(text) for text in TEXTS]
    drawn = sampler_of(model.plan).draw(model, prompts, guidance=guidance, renorm=renorm)
    for prompt, latents in zip(prompts, drawn, strict=True):
        rows = [prompt] if guidance == 1 else [prompt, model.processor.unconditional(prompt)]
        sequences = [model.embed(model.processor.collate([row])) for row in rows]
        for place in range(4):
            predictions = []
            for sequence in sequences:
                positions = torch.arange(sequence.shape[1])[None]
                mask = model.processor.collate([prompt]).mask().causal()
                predictions.append(head(model.run(sequence, positions, mask)[:, -1]))
            wanted = predictions[0]
            if guidance != 1:
                wanted = predictions[1] + guidance * (predictions[0] - predictions[1])
                wanted = normalize(wanted, dim=-1) if renorm else wanted
            assert torch.allclose(latents[place], wanted[0], atol=1e-5), place
            vector = model.embed_drawn(wanted[:, None], "generation", place)
            sequences = [torch.cat((sequence, vector), dim=1) for sequence in sequences]


def test_places_use_the_weights_of_their_route() -> None:
    plain = model_of()
    routed = model_of(
        'heads = 2\ncontext -> heads = 2\nroutes = ["gen"]\ncontext', '[generation]\n -> [generation]\nroute = "gen"\n'
    )
    routed.processor.text = plain.processor.text
    state = plain.state_dict()
    again = {
        name: state[name.replace(".gen.", ".").replace("backbone.gen.", "backbone.")] for name in routed.state_dict()
    }
    routed.load_state_dict(again)
    drawn = [Model(model).generate_codes(TEXTS[0]) for model in (plain, routed)]
    torch.testing.assert_close(*drawn, atol=1e-5, rtol=0)
    with torch.no_grad():
        for name, parameter in routed.named_parameters():
            if ".gen." in name:
                parameter.mul_(2)
    assert not torch.allclose(Model(routed).generate_codes(TEXTS[0]), drawn[0], atol=1e-3)


def test_packing_and_micro_batches_change_nothing() -> None:
    model = model_of().requires_grad_(True)
    model.part("generation.tokenizer").requires_grad_(False)
    padded, packed = objective_of(model), objective_of(model, packed=128)
    chance = np.random.default_rng(2)
    sequences = [padded.prepare_one(drawing(seed), chance) for seed in range(6)]

    def gradients(objective: Any, parts: list[Any]) -> tuple[float, dict[str, torch.Tensor]]:
        model.zero_grad()
        batches = [objective.collate(part) for part in parts]
        names = {name for batch in batches for name in objective.counts(batch)}
        counts = {name: sum(objective.counts(batch).get(name, 0) for batch in batches) for name in names}
        total = 0.0
        for batch in batches:
            losses, _ = objective.losses(batch)
            loss = torch.stack([each.total / counts[name] for name, each in losses.items()]).sum()
            loss.backward()
            total += loss.item()
        return total, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    loss, whole = gradients(padded, [sequences])
    assert any(name.startswith("generation.head") for name in whole)
    for objective, parts in ((packed, [sequences]), (padded, [[one] for one in sequences])):
        again, other = gradients(objective, parts)
        assert again == pytest.approx(loss, rel=1e-5)
        for name, gradient in whole.items():
            assert torch.allclose(other[name], gradient, atol=1e-5), name


def test_a_decoder_learns_from_frozen_features_and_the_model_draws_pictures() -> None:
    model = model_of(DECODER)
    tokenizer: Any = model.part("generation.tokenizer")
    tokenizer.decoder.requires_grad_(True)
    component = registry().find("objective", "reconstruction")
    objective = component.load()(component.config(), model)
    pixels = objective.prepare([drawing(seed) for seed in range(2)], np.random.default_rng(0))
    before = tokenizer.encode(pixels)
    optimizer = torch.optim.Adam(tokenizer.decoder.parameters(), lr=1e-2)
    curve = []
    for _ in range(30):
        losses, _ = objective.losses(pixels)
        optimizer.zero_grad()
        losses["l2"].mean.backward()
        optimizer.step()
        curve.append(losses["l2"].mean.item())
    assert curve[-1] < 0.8 * curve[0]
    assert torch.equal(tokenizer.encode(pixels), before)
    previews: list[Any] = []
    whole = Model(model.eval())
    (picture,) = whole.generate(TEXTS[0], on_preview=previews.append)
    assert picture.size == (16, 16)
    assert [preview.done for preview in previews] == [2]
    assert torch.count_nonzero(previews[0].codes[0, 2:]) == 0


def test_without_a_decoder_a_picture_is_drawn_as_features_only() -> None:
    model = Model(model_of())
    with pytest.raises(UsageError, match=r"the tokenizer 'features' of 'generation' has no decoder.*generate_codes"):
        model.generate(TEXTS[0])
    latents = model.generate_codes(list(TEXTS), n=2, seed=4)
    assert latents.shape == (6, 4, 12)
    assert torch.equal(latents[0], latents[1])  # nothing is random
    assert torch.allclose(latents.norm(dim=-1), torch.ones(6, 4), atol=1e-5)
    alone = model.generate_codes(TEXTS[2])
    assert torch.allclose(alone[0], latents[4], atol=1e-5)
    assert objective_of(model.model).samples([Conversation.drawing(TEXTS[0], np.zeros((16, 16, 3), np.uint8))]) is None
    component = registry().find("objective", "reconstruction")
    objective = component.load()(component.config(), model.model)
    with pytest.raises(UsageError, match=r"has no decoder: its features are targets.*set decoder_channels"):
        objective.losses(objective.prepare([drawing(0)], np.random.default_rng(0)))


def test_the_command_writes_latents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = model_of()
    save_model(model, tmp_path / "model")
    arguments = ["generate", str(tmp_path / "model"), TEXTS[0], "--out", str(tmp_path / "out")]
    assert main(arguments) != 0
    assert "has no decoder" in capsys.readouterr().err
    assert main([*arguments, "--latents", "--n", "2"]) == 0
    written = np.load(tmp_path / "out" / "a-red-circle-001.npy")
    assert np.allclose(written, Model(model).generate_codes(TEXTS[0], n=2).numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (['sampler = { use = "regression" } -> sampler = { use = "autoregressive" }'],
         "draws codes, one place after the other, but the tokenizer has latents.*or 'regression' for a head of single"),
        (['sampler = { use = "regression" } -> sampler = { use = "flow" }'],
         "sampler 'flow' needs a head of values, but the head gives values of single places"),
        (['head = { use = "regression", layers = 2 } -> head = { use = "values" }'],
         "sampler 'regression' needs a head that predicts single places, but the head gives velocity"),
        (['time = "none" -> time = "lead"'], "puts 1 vector before the places of a picture.*embedded one by one"),
        (['head = { use = "regression", layers = 2 } -> head = { use = "mlp" }'], "head 'mlp' predicts codes"),
        (["side = 2 -> side = 5"], "side 5 is larger than the 4 features along a side of a picture"),
        (["side = 2 -> side = 2, decoder_channels = 4"], "4 levels of decoder_multipliers enlarge"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(changes: list[str], sentence: str) -> None:
    text = tiny(*changes).replace("side = 2, decoder_channels = 4", "side = 4, decoder_channels = 4")
    with pytest.raises(Exception, match=sentence) as raised:
        compose(read_recipe_text(text))
    assert raised.type.__module__.startswith("janiform")


def test_an_embedding_that_mixes_places_is_refused_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = compose(read_recipe_text(TINY))
    check_contracts(plan)
    forward = PatchEmbedding.forward

    def mixing(self: Any, drawn: torch.Tensor, *arguments: Any) -> torch.Tensor:
        return forward(self, drawn + drawn.mean(1, keepdim=True), *arguments)

    monkeypatch.setattr(PatchEmbedding, "forward", mixing)
    with pytest.raises(CompositionError, match=r"generation\.embedding: patches@1.*mixes the places of a picture"):
        check_contracts(plan)


def test_codes_are_refused_by_the_sampler_and_the_head() -> None:
    codes = (
        'use = "features", image_size = 16, patch_size = 4, width = 12, layers = 1, heads = 2, side = 2 -> use = "vq", '
        "image_size = 16, channels = 4, groups = 2, multipliers = [1, 1], latent = 4, vocabulary = 16, code_width = 4"
    )
    table = 'embedding = { use = "patches", time = "none", layers = 2 } -> embedding = { use = "table", width = 32 }'
    with pytest.raises(CompositionError, match="head 'regression' predicts latents, but is given codes"):
        compose(read_recipe_text(tiny(codes, table)))
    head = 'head = { use = "regression", layers = 2 } -> head = { use = "mlp" }'
    with pytest.raises(CompositionError, match="sampler 'regression' draws latents, but the tokenizer has codes"):
        compose(read_recipe_text(tiny(codes, table, head)))
