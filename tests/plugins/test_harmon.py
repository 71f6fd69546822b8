"""Harmon in small: hidden places are left out as if they were not there, between MAR's two halves, which are ViTs.

The twin drops hidden places from its sequences, has the blocks of transformers, and keeps no cache.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from janiform import (
    CompositionError,
    Conversation,
    Corrupted,
    Grid,
    Guidance,
    Hidden,
    Latents,
    Mask,
    PlaceNoise,
    PlaceSampling,
    UnifiedModel,
    build_model,
    pack,
    read_recipe,
    read_recipe_text,
    sampler_of,
)
from janiform.compose import compose
from janiform.model.picture_loss import picture_loss
from janiform.train.run.start import begin
from janiform_plugins.adapters.weights import HARMON as ADAPTER
from janiform_plugins.backbones.decoder.weights import harmon as llm_names
from janiform_plugins.embeddings.config import MAR_PRESETS, MarEmbeddingConfig
from janiform_plugins.embeddings.mar import MarEmbedding, resized
from janiform_plugins.embeddings.weights import MAR
from janiform_plugins.heads.config import MAR_HEAD_PRESETS
from janiform_plugins.heads.weights import HARMON
from janiform_plugins.samplers.masked_latents.sampler import left_after
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import interpolate, layer_norm, linear, silu
from transformers import ViTConfig
from transformers.models.vit.modeling_vit import ViTLayer

TEXTS = ["a red circle above a blue square on the left", "two small green squares", "a cross"]
BUFFER, WIDTH, PLACES = 3, 12, 16
TINY = """\
recipe = 1
name = "tiny-harmon"
understanding = { share = "generation" }

[backbone]
use = "qwen2"
vocabulary = 300
width = 32
inner = 48
layers = 2
heads = 2
kv_heads = 1
context = 256

[text]
use = "bpe"
vocabulary = 280
special_tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

[layout]
use = "harmon"

[generation]
tokenizer = { use = "kl", image_size = 16, channels = 8, groups = 4, multipliers = [1, 1, 1], latent = 5 }
embedding = { use = "mar", width = 12, layers = 2, heads = 2, buffer = 3 }
adapter = { use = "mlp", activation = "silu" }
head = { use = "mar", width = 12, layers = 2, heads = 2, buffer = 3, net_width = 16, net_depth = 2, steps = 5 }
sampler = { use = "masked-latents", steps = 5, guidance = 3.0 }
"""


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
    chance = torch.Generator().manual_seed(0)
    model.part("generation.head").settings = evolve(model.part("generation.head").settings, clip=3.0)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=chance)
    model.processor.fit(TEXTS * 4)
    return model.eval().requires_grad_(False)


def blocks_of(transformer: Any, width: int, heads: int) -> list[ViTLayer]:
    """The blocks as those of transformers."""
    config = ViTConfig(
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        layer_norm_eps=1e-6,
        hidden_act="gelu",
        qkv_bias=True,
    )
    config._attn_implementation = "sdpa"
    names = {
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "attn.proj": "attention.o_proj",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
    }
    layers = []
    for block in transformer.blocks:
        state = {}
        for name, value in block.state_dict().items():
            part, _, kind = name.rpartition(".")
            if part == "attn.qkv":
                for one, piece in zip("qkv", value.chunk(3), strict=True):
                    state[f"attention.{one}_proj.{kind}"] = piece
            else:
                state[f"{names[part]}.{kind}"] = value
        layer = ViTLayer(config).eval()
        layer.load_state_dict(state)
        layers.append(layer)
    return layers


def through(layers: list[ViTLayer], x: Tensor) -> Tensor:
    for layer in layers:
        out = layer(x)
        x = out[0] if isinstance(out, tuple) else out
    return x


def encoded(part: Any, latents: Tensor, known: Tensor) -> Tensor:
    """MAR's encoder of one picture [N, C]: [U + known, W], with hidden places dropped."""
    x = torch.cat((part.begin.expand(part.buffer, -1), linear(latents, part.enter.weight, part.enter.bias)))
    x = x + part.transformer.positions[0]
    x = layer_norm(x, x.shape[-1:], part.enter_norm.weight, part.enter_norm.bias, 1e-6)
    x = x[torch.cat((torch.ones(part.buffer, dtype=torch.bool), known))]
    x = through(blocks_of(part.transformer, x.shape[-1], part.config.heads), x[None])[0]
    norm = part.transformer.norm
    return layer_norm(x, x.shape[-1:], norm.weight, norm.bias, 1e-6)


def decoded(head: Any, vectors: Tensor, known: Tensor, heads: int) -> Tensor:
    """MAR's decoder of one picture: vectors [U + known, W] to what each place is drawn from, [N, W]."""
    x = head.masked[0].expand(head.buffer + len(known), -1).clone()
    x[torch.cat((torch.ones(head.buffer, dtype=torch.bool), known))] = linear(
        vectors, head.enter.weight, head.enter.bias
    )
    x = through(blocks_of(head.transformer, head.width, heads), (x + head.transformer.positions[0])[None])[0]
    norm = head.transformer.norm
    x = layer_norm(x, x.shape[-1:], norm.weight, norm.bias, 1e-6)
    return x[head.buffer :] + head.positions[0]


def conditions_of(model: UnifiedModel, ids: list[int], latents: Tensor, known: Tensor) -> Tensor:
    """What each place of one picture behind a prompt is drawn from, [N, W], by Harmon's ``forward_mae_encoder``."""
    embedding, head, backbone = (model.part(f"generation.{n}") for n in ("embedding", "head", "adapter"))
    adapter, backbone = backbone, model.part("backbone")
    vectors = encoded(embedding, latents, known)
    read = adapter(torch.cat((vectors[BUFFER:], vectors[:BUFFER])))
    sequence = torch.cat((backbone.embed(torch.tensor([ids]))[0], read))[None]  # type: ignore[operator]
    states = backbone(sequence, torch.arange(sequence.shape[1])[None], Mask.causal())[0, len(ids) :]
    states = torch.cat((states[-BUFFER:], states[:-BUFFER]))
    into, out = head.into, head.out
    return decoded(head, vectors + out(silu(into(states))), known, 2)  # type: ignore[operator]


def draw(model: UnifiedModel, texts: list[str], seeds: list[int], **others: Any) -> Tensor:
    prompts = [model.processor.drawing_prompt(text) for text in texts]
    return sampler_of(model.plan).draw(model, prompts, seeds=seeds, **others)


def test_the_encoder_is_mar_s_with_hidden_places_dropped() -> None:
    torch.manual_seed(2)
    part = MarEmbedding(
        MarEmbeddingConfig(width=12, layers=3, heads=3, buffer=4), Latents(Grid(3, 4), 5), Hidden(8, 64, 64, 1, 1, 8)
    ).eval()
    latents, hidden = torch.randn(3, 12, 5), torch.rand(3, 12) < 0.6
    hidden[2] = False
    with torch.no_grad():
        given = part.encode(latents, Corrupted(hidden=hidden))
        for row in range(3):
            expected = encoded(part, latents[row], ~hidden[row])
            known = torch.cat((torch.ones(4, dtype=torch.bool), ~hidden[row]))
            assert torch.allclose(given[row, known], expected, atol=1e-5)
        vectors = part(latents, 0, Corrupted(hidden=hidden))
        assert torch.equal(vectors[:, -4:], given[:, :4])
        assert torch.equal(vectors[:, :-4], given[:, 4:])
        assert torch.allclose(part(latents)[2], vectors[2], atol=1e-6)
        spoiled = torch.where(hidden[..., None], torch.nan, latents)
        assert torch.equal(part(spoiled, 0, Corrupted(hidden=hidden)), vectors)


def test_positions_are_resized_bilinearly() -> None:
    table = torch.randn(1, 6, 4)
    planes = table.view(1, 2, 3, 4).permute(0, 3, 1, 2)
    expected = interpolate(planes, size=(4, 5), mode="bilinear").permute(0, 2, 3, 1).reshape(1, 20, 4)
    assert torch.allclose(resized(table, Grid(2, 3), Grid(4, 5)), expected, atol=1e-6)
    assert resized(table, Grid(2, 3), Grid(2, 3)) is table


@pytest.mark.parametrize("settings", [{}, {"guidance": 1.0}, {"steps": 16, "temperature": 0.7}])
def test_drawing_is_harmon_s_loop_without_a_cache(settings: dict[str, Any]) -> None:
    """Right-aligned prompts of several lengths in one batch, against each picture and each row alone."""
    model, seeds = model_of(), [3, 4]
    given = draw(model, TEXTS[:2], seeds, **settings)
    head: Any = model.part("generation.head")
    guidance = settings.get("guidance", 3.0)
    layout: Any = model.processor.layout
    for row, seed in enumerate(seeds):
        chance = torch.Generator().manual_seed(seed)
        order = torch.randperm(PLACES, generator=chance)
        x, known, before = torch.zeros(PLACES, 5), torch.zeros(PLACES, dtype=torch.bool), PLACES
        prompt = model.processor.drawing_prompt(TEXTS[row])
        rows = [prompt.ids, layout.unconditional(prompt).ids][: 1 if guidance == 1 else 2]
        for after in left_after(PLACES, settings.get("steps", 5)):
            chosen = order[after:before]
            conditions = torch.cat([conditions_of(model, ids, x, known)[chosen] for ids in rows])
            sampling = PlaceSampling(
                Guidance.plain(guidance), [chance], len(chosen), temperature=settings.get("temperature", 1.0)
            )
            x[chosen] = head.sample(conditions, sampling)
            known[chosen] = True
            before = after
        assert torch.allclose(given[row], x, atol=2e-3)


def samples(model: UnifiedModel, count: int) -> list[Any]:
    chance = np.random.default_rng(0)
    examples = [
        Conversation.drawing(TEXTS[i % 3], chance.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for i in range(count)
    ]
    return [model.processor.corrupted(model.processor.sequence(example), chance) for example in examples]


def test_the_loss_is_that_of_sequences_without_hidden_places() -> None:
    model = model_of()
    rows = samples(model, 3)
    head: Any = model.part("generation.head")
    for batch in (model.processor.collate(rows), pack(rows, 200, pad=model.processor.layout.pad_id)):
        pictures, indices = batch.pictures["generation"], batch.codes["generation"]
        drawn = model.drawn(pictures, "generation")
        states = model.hidden(batch, drawn={"generation": drawn}).flatten(0, 1)
        given = picture_loss(model, "generation", pictures, drawn, states, indices)
        total, count = 0.0, 0
        for row in rows:
            *prompt, picture = row.spans
            ids = [id for span in prompt for id in span.ids]
            hidden = torch.from_numpy(picture.corruption.hidden)
            index = pictures.corrupted.seeds.tolist().index(picture.corruption.seed)  # type: ignore[union-attr]
            places = hidden.nonzero().flatten()
            noise = PlaceNoise(torch.tensor([picture.corruption.seed]), places, PLACES)
            conditions = conditions_of(model, ids, drawn[index], ~hidden)
            loss = head.loss(conditions[places], drawn[index][places], noise)
            total, count = total + float(loss.total.detach()), count + int(loss.count)
        assert int(given.count) == count
        assert float(given.total.detach()) == pytest.approx(total, rel=2e-4)


def test_positions_behind_a_picture_do_not_count_what_is_hidden() -> None:
    model = model_of()
    (row,) = samples(model, 1)
    *_, picture = row.spans
    hidden = picture.corruption.hidden
    positions = row.positions
    start = sum(span.length for span in row.spans[:-1])
    assert positions[:start] == list(range(start))
    known = np.flatnonzero(~hidden)
    assert [positions[start + place] for place in known] == list(range(start, start + len(known)))
    assert positions[-BUFFER:] == list(range(start + len(known), start + len(known) + BUFFER))
    assert model.processor.collate([row]).seen[0, start : start + PLACES].tolist() == [-int(h) for h in hidden]  # type: ignore[index]


def test_looking_reads_a_whole_picture_and_the_buffer() -> None:
    model = model_of()
    picture = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    sequence = model.processor.sequence(Conversation.asking("what is it?", picture, answer="red"))
    batch = model.processor.collate([sequence])
    assert batch.pictures["understanding"].positions.shape == (1, PLACES + BUFFER)
    assert batch.seen is None
    latents = model.drawn(batch.pictures["understanding"], "understanding")[0]
    vectors = encoded(model.part("generation.embedding"), latents, torch.ones(PLACES, dtype=torch.bool))
    read = model.part("generation.adapter")(torch.cat((vectors[BUFFER:], vectors[:BUFFER])))
    embedded = model.embed_pictures(batch.pictures["understanding"], "understanding")
    assert torch.allclose(embedded[0], read, atol=1e-5)


def test_the_layout_is_qwen_s_template() -> None:
    model = model_of()
    layout, text = model.processor.layout, model.processor.text
    start, end, pad = (text.id_of(token) for token in ("<|im_start|>", "<|im_end|>", "<|endoftext|>"))
    prompt = model.processor.drawing_prompt(" a cross ")
    asked = [start, *text.encode("user\nGenerate an image: a cross"), end, *text.encode("\n"), start]
    assert prompt.ids == [*asked, *text.encode("assistant\n")]
    blank = [start, *text.encode("user\nGenerate an image."), end, *text.encode("\n"), start]
    assert layout.unconditional(prompt).ids == [*blank, *text.encode("assistant\n")]
    picture = np.zeros((16, 16, 3), np.uint8)
    asking = model.processor.sequence(Conversation.asking("what is it?", picture, answer="red"))
    tokens = [pad] * (PLACES + BUFFER)
    expected = [
        *(start, *text.encode("user\n"), *tokens, *text.encode("\nwhat is it?"), end, *text.encode("\n"), start),
        *(*text.encode("assistant\n"), *text.encode("red"), end),
    ]
    assert asking.ids == expected
    assert [id for span in asking.spans if span.loss for id in span.ids] == [*text.encode("red"), end]
    drawing = model.processor.sequence(Conversation.drawing("a cross", picture))
    assert drawing.ids == [*prompt.ids, *tokens]


def test_released_names_are_those_of_the_code() -> None:
    """All tensors of ``mar.*``, ``proj_in`` and ``proj_out``, but the classes of ImageNet that Harmon does not use."""
    block = {f"{part}.{kind}" for part in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
             for kind in ("weight", "bias")}  # fmt: skip
    lent = {
        f"mar.{name}.{kind}" for name in ("z_proj", "z_proj_ln", "encoder_norm", "decoder_embed", "decoder_norm")
        for kind in ("weight", "bias")
    }  # fmt: skip
    lent |= {f"mar.{half}_blocks.{i}.{name}" for half in ("encoder", "decoder") for i in range(2) for name in block}
    lent |= {f"mar.{half}_pos_embed_learned" for half in ("encoder", "decoder", "diffusion")}
    lent |= {"mar.fake_latent", "mar.mask_token"}
    net = ["time_embed.mlp.0", "time_embed.mlp.2", "cond_embed", "input_proj", "final_layer.linear"]
    net += ["final_layer.adaLN_modulation.1"]
    net += [f"res_blocks.{i}.{name}" for i in range(2) for name in ("in_ln", "mlp.0", "mlp.2", "adaLN_modulation.1")]
    lent |= {f"mar.diffloss.net.{name}.{kind}" for name in net for kind in ("weight", "bias")}
    lent |= {f"proj_out.{i}.{kind}" for i in (0, 2) for kind in ("weight", "bias")}
    model = model_of()
    named: set[str] = set()
    for part, keys in (("embedding", MAR.below("mar.")), ("head", HARMON)):
        for name, value in model.part(f"generation.{part}").state_dict().items():
            pieces = keys.pieces(name, value.shape)
            assert pieces is not None, name
            named |= {piece.name for piece in pieces}
    assert named == lent


def test_a_model_begins_with_a_file_of_harmon_s_names(tmp_path: Path) -> None:
    """The language model below ``llm``, MAR below ``mar``, and the layers between them."""
    released, names = model_of(), dict[str, Tensor]()
    for path, keys in (
        ("backbone", llm_names(released.plan.parts["backbone"].use.config)),
        ("generation.embedding", MAR.below("mar.")),
        ("generation.adapter", ADAPTER),
        ("generation.head", HARMON),
    ):
        for name, value in released.part(path).state_dict().items():
            start = 0
            for piece in keys.pieces(name, value.shape) or ():
                rows = piece.rows or slice(start, start + piece.shape[0])
                names[piece.name] = value[rows].reshape(piece.shape).clone().contiguous()
                start = rows.stop
    names["mar.class_emb.weight"] = torch.randn(1000, WIDTH)
    save_file(names, tmp_path / "model.safetensors")
    torch.manual_seed(5)
    model = build_model(compose(read_recipe_text(tiny())))
    parts = ("backbone", "generation.embedding", "generation.adapter", "generation.head")
    begin(model, dict.fromkeys(parts, str(tmp_path)), print)
    for path in parts:
        given, expected = model.part(path).state_dict(), released.part(path).state_dict()
        assert all(torch.equal(given[name], expected[name]) for name in expected), path
    assert {"llm.model.embed_tokens.weight", "proj_in.2.weight", "mar.diffloss.net.input_proj.bias"} <= names.keys()


def test_the_sizes_are_those_of_the_papers() -> None:
    plan = compose(read_recipe("harmon-1.5b"))
    drawing, looking = plan.pathways["generation"], plan.pathways["understanding"]
    assert (drawing.tokens, looking.tokens, drawing.latents.tokens) == (1088, 1088, 1024)  # type: ignore[union-attr]
    assert (drawing.features.trail, drawing.drops_hidden, drawing.draws_places) == (64, True, True)
    assert not looking.drops_hidden
    head, embedding = (plan.parts[f"generation.{name}"].use.config for name in ("head", "embedding"))
    assert (embedding.width, embedding.layers, embedding.heads, embedding.table) == (1280, 20, 16, 16)
    assert (head.net_width, head.net_depth, head.steps, head.clip) == (1536, 12, 100, 0)
    assert {name: sizes["layers"] for name, sizes in MAR_PRESETS.items()} == {"base": 12, "large": 16, "huge": 20}
    assert MAR_HEAD_PRESETS["base"]["net_width"] == 1024


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            'head = { use = "mar", width = 12 -> head = { use = "mar", width = 16',
            "use embedding 'mar' with the same width and buffer",
        ),
        (
            '"mar", width = 12, layers = 2, heads = 2, buffer = 3 } -> "patches", mask = true }',
            "use embedding 'mar' with the same",
        ),
        (
            'use = "mar", width = 12, layers = 2, heads = 2, buffer = 3, net_width = 16, net_depth = 2, -> '
            'use = "diffusion", width = 16, depth = 2,',
            "gives 3 vectors behind those of the places, which the head 'diffusion' does not know of",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: str, sentence: str) -> None:
    with pytest.raises(CompositionError, match=sentence):
        build_model(compose(read_recipe_text(tiny(change))))


def test_a_recurrent_backbone_is_refused() -> None:
    text = tiny(
        'use = "qwen2" -> use = "bamba"\nattention = [1]\nmamba_heads = 4',
    )
    with pytest.raises(CompositionError, match="leaves out the hidden places of a picture, but in"):
        compose(read_recipe_text(text))
