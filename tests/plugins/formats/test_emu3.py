"""Emu3's folders, of transformers and of the release, opened as they are, against transformers: random models."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import janiform
import numpy as np
import pytest
import torch
from janiform import Conversation, Look, StorageError, Turn, generate_codes, open_model, read_recipe
from janiform.cli import main
from janiform.compose import compose
from janiform.storage.convert import convert
from janiform.storage.formats import format_of
from janiform_plugins.formats.emu3.format import published
from safetensors.torch import load_file, save_file
from transformers import Emu3Config, Emu3ForConditionalGeneration

LETTERS = 400
NAMES = {
    "bos_token": "<|extra_203|>",
    "eos_token": "<|extra_204|>",
    "pad_token": "<|endoftext|>",
    "extra_special_tokens": {
        "image_token": "<image>",
        "boi_token": "<|image start|>",
        "eoi_token": "<|image end|>",
        "image_wrapper_token": "<|image token|>",
        "eof_token": "<|extra_201|>",
    },
}


def special(codes: int) -> dict[str, int]:
    marks = ["<|endoftext|>", "<image>", "<|extra_200|>", "<|extra_201|>", "<|extra_203|>", "<|extra_204|>"]
    marks += ["<|image token|>", "<|image start|>", "<|image end|>"]
    return {token: 100 + index for index, token in enumerate(marks)} | {
        f"<|visual token {code:06d}|>": LETTERS + 127 + code for code in range(codes)
    }


def config(chance: random.Random, vocabulary: dict[str, int], codes: int) -> Emu3Config:
    heads = chance.choice((1, 2, 4))
    multipliers = [1, chance.choice((1, 2)), *([chance.choice((1, 2))] * chance.choice((0, 1)))]
    return Emu3Config(
        text_config={
            "vocab_size": LETTERS + 127 + codes + chance.choice((0, 5)),
            "hidden_size": heads * chance.choice((8, 12)),
            "intermediate_size": chance.randrange(8, 64),
            "num_hidden_layers": chance.choice((1, 2, 3)),
            "num_attention_heads": heads,
            "num_key_value_heads": chance.choice([number for number in (1, 2, 4) if heads % number == 0]),
            "rope_parameters": {"rope_type": "default", "rope_theta": chance.choice((10_000.0, 1_000_000.0))},
            "bos_token_id": 104,
            "eos_token_id": 105,
            "pad_token_id": 100,
        },
        vq_config={
            "codebook_size": codes,
            "base_channels": 32,
            "channel_multiplier": multipliers,
            "hidden_size": 32 * multipliers[-1],
            "num_res_blocks": chance.choice((1, 2)),
            "attn_resolutions": [len(multipliers) - 1],
            "temporal_downsample_factor": chance.choice((2, 4)),
        },
        vocabulary_map=vocabulary,
    )


def write(folder: Path, seed: int, write_text: Any, randomise: Any) -> tuple[Any, int]:
    """The model of a folder, and the rows and columns of its pictures."""
    chance = random.Random(seed)
    codes, side = chance.randrange(12, 90), chance.choice((2, 3))
    vocabulary = write_text(folder, special(codes), LETTERS, NAMES)
    model = randomise(Emu3ForConditionalGeneration(config(chance, vocabulary, codes)), seed)
    model.save_pretrained(folder, max_shard_size="200KB" if seed % 2 else "5GB")
    area = (side * model.model.vqmodel.vision_spatial_factor) ** 2
    (folder / "processor_config.json").write_text(json.dumps({"image_area": area}))
    return model, side


@pytest.fixture(scope="module", params=range(6))
def case(request: Any, tmp_path_factory: Any, write_text: Any, randomise: Any) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("emu3")
    model, side = write(folder, request.param, write_text, randomise)
    ours = open_model(folder, dtype=torch.float64)
    return SimpleNamespace(folder=folder, reference=model.double(), ours=ours, side=side)


def asking(case: Any) -> Any:
    side = case.side * case.reference.model.vqmodel.vision_spatial_factor
    pieces = [
        Look(np.random.default_rng(seed).integers(0, 256, (side + seed, side, 3), dtype=np.uint8)) for seed in (0, 1)
    ]
    turn = Turn("user", ("Compare ", pieces[0], " with", pieces[1], " now"))
    return case.ours.processor.collate([case.ours.processor.sequence(Conversation((turn,)), answer=False)])


@torch.no_grad()
def test_pictures_are_the_same_tokens_and_logits_are_equal(case: SimpleNamespace, assert_exact: Any) -> None:
    batch = asking(case)
    pixels = batch.pictures["understanding"].pixels.double()
    sizes = torch.tensor([list(pixels.shape[2:])] * len(pixels))
    shared = case.ours.plan.parts["generation.embedding"].use.config
    codes = case.ours.generation.tokenizer.encode(pixels)[..., 0]
    ends = codes >= case.ours.plan.pathways["generation"].codes.vocabulary
    ids = torch.where(ends, shared.given[0], codes + shared.first)
    assert torch.equal(ids.flatten(), case.reference.model.get_image_tokens(pixels, sizes).long())
    expected = case.reference(
        batch.ids, pixel_values=pixels, image_sizes=sizes, attention_mask=torch.ones_like(batch.ids)
    ).logits
    assert_exact(case.ours.backbone.logits(case.ours.hidden(batch)), expected)
    text = case.ours.processor.sequence(Conversation.asking("Who are you?"), answer=False)
    text = case.ours.processor.collate([text])
    assert_exact(case.ours.backbone.logits(case.ours.hidden(text)), case.reference(text.ids).logits)


@torch.no_grad()
def test_codes_are_the_same_pixels_and_a_prompt_gives_the_same_codes(case: SimpleNamespace, assert_exact: Any) -> None:
    reference, ours, side = case.reference, case.ours, case.side
    prompt = ours.processor.drawing_prompt("a cat")
    codes = generate_codes(ours, [prompt], guidance=1, temperature=0)
    shared = ours.plan.parts["generation.embedding"].use.config
    grid = codes[0, :, 0].unflatten(0, (side, side + 1))[:, :-1]
    ids, greedy = torch.tensor([prompt.ids]), []
    for _ in range(side):
        for _ in range(side):
            allowed = reference(ids).logits[0, -1, shared.first : shared.first + shared_codes(ours)]
            greedy.append(int(allowed.argmax()))
            ids = torch.cat((ids, torch.tensor([[shared.first + greedy[-1]]])), 1)
        ids = torch.cat((ids, torch.tensor([[shared.given[0]]])), 1)
    assert grid.flatten().tolist() == greedy
    tail = torch.zeros(1, 3, dtype=torch.long)
    drawn = torch.cat((ids[:, len(prompt.ids) :], tail), 1)
    pixels = reference.model.decode_image_tokens(drawn, height=side, width=side)
    assert_exact(ours.generation.tokenizer.decode(codes), pixels)


def shared_codes(model: Any) -> int:
    return int(model.plan.pathways["generation"].codes.vocabulary)


def test_it_draws_and_answers(case: SimpleNamespace) -> None:
    model = janiform.load(case.folder)
    (drawn,) = model.generate("a cat", seed=1)
    assert drawn.size == (case.side * case.reference.model.vqmodel.vision_spatial_factor,) * 2
    assert isinstance(model.ask(drawn, "What is this?", max_new_tokens=3), str)


NEWER = {"text_model.model.": "model.text_model.", "text_model.lm_head.": "lm_head.", "vqmodel.": "model.vqmodel."}


def renamed(tensors: dict[str, Any]) -> dict[str, Any]:
    def name(old: str) -> str:
        prefix = next(prefix for prefix in NEWER if old.startswith(prefix))
        return NEWER[prefix] + old.removeprefix(prefix)

    return {name(old): value for old, value in tensors.items()}


@torch.no_grad()
def test_the_names_of_other_versions_are_read(case: SimpleNamespace, tmp_path: Path) -> None:
    """transformers' modules have these names in memory, and some versions wrote them as they are."""
    folder = Path(shutil.copytree(case.folder, tmp_path / "newer"))
    for file in folder.glob("*.safetensors"):
        save_file(renamed(load_file(file)), file)
    index = folder / "model.safetensors.index.json"
    if index.exists():
        index.write_text(json.dumps({"weight_map": renamed(json.loads(index.read_text())["weight_map"])}))
    names = {name for file in folder.glob("*.safetensors") for name in load_file(file)}
    assert names == set(case.reference.state_dict())
    again, batch = open_model(folder, dtype=torch.float64), asking(case)
    assert torch.equal(again.hidden(batch), case.ours.hidden(batch))


@torch.no_grad()
def test_it_is_shown_and_converted(case: SimpleNamespace, tmp_path: Path, capsys: Any) -> None:
    assert main(["show", str(case.folder)]) == 0
    assert 'use = "movq@1"' in capsys.readouterr().out
    converted = convert(case.folder, tmp_path / "own", "janiform")
    assert converted.source == "emu3"
    again, batch = open_model(tmp_path / "own", dtype=torch.float64), asking(case)
    assert torch.equal(again.hidden(batch), case.ours.hidden(batch))


def released(tensors: dict[str, Any]) -> dict[str, Any]:
    """Tensors of transformers' visual tokenizer under the names and in the shapes of the release.

    There the attention has 1×1 convolutions, and its norm stands within it.
    """
    made = {}
    for name, value in tensors.items():
        for new, old in {
            ".down_block.down.": ".down.", ".up_block.up.": ".up.", ".middle_block.attn_norm.": ".mid.attn_1.norm.",
            ".middle_block.": ".mid.", ".q_proj.": ".q.", ".k_proj.": ".k.", ".v_proj.": ".v.",
            ".out_proj.": ".proj_out.",
        }.items():  # fmt: skip
            name = name.replace(new, old)
        before, norms, after = name.partition(".attn_norms.")
        if norms:
            index, _, rest = after.partition(".")
            name = f"{before}.attn.{index}.norm.{rest}"
        if name.endswith((".q.weight", ".k.weight", ".v.weight", ".proj_out.weight")):
            value = value[:, :, None, None]
        made[name] = value.float().contiguous()
    return made


@torch.no_grad()
@pytest.mark.parametrize("beside", [True, False])
def test_the_two_folders_of_the_release_are_one_model(
    case: SimpleNamespace, tmp_path: Path, beside: bool, change: Any
) -> None:
    folder = tmp_path / "Emu3-Gen"
    vision = (tmp_path if beside else folder) / "Emu3-VisionTokenizer"
    vision.mkdir(parents=True)
    folder.mkdir(exist_ok=True)
    config, vq = case.reference.config, case.reference.config.vq_config
    area = (case.side * case.reference.model.vqmodel.vision_spatial_factor) ** 2
    rope = config.text_config.rope_parameters["rope_theta"]
    table = config.text_config.to_dict() | {"model_type": "Emu3", "image_area": area, "rope_theta": rope}
    table.pop("rope_parameters")
    (folder / "config.json").write_text(json.dumps(table))
    names = {"codebook_size": vq.codebook_size, "ch": vq.base_channels, "ch_mult": list(vq.channel_multiplier),
             "num_res_blocks": vq.num_res_blocks, "attn_resolutions": list(vq.attn_resolutions), "embed_dim": 4,
             "z_channels": 4, "temporal_downsample_factor": vq.temporal_downsample_factor}  # fmt: skip
    (vision / "config.json").write_text(json.dumps({"model_type": "Emu3VisionVQ", **names}))
    text = {f"model.{name}": value for name, value in case.reference.model.text_model.state_dict().items()}
    text["lm_head.weight"] = case.reference.lm_head.weight
    save_file({name: value.float().contiguous() for name, value in text.items()}, folder / "model.safetensors")
    save_file(released(case.reference.model.vqmodel.state_dict()), vision / "model.safetensors")
    with pytest.raises(StorageError, match="is missing, and janiform does not read emu3"):
        open_model(folder)
    shutil.copy(case.folder / "tokenizer.json", folder)
    again, batch = open_model(folder, dtype=torch.float64), asking(case)
    assert torch.equal(again.hidden(batch), case.ours.hidden(batch))
    codes = torch.zeros(1, case.side * (case.side + 1), 1, dtype=torch.long)
    codes[:, case.side :: case.side + 1] = shared_codes(again)
    assert torch.equal(again.generation.tokenizer.decode(codes), case.ours.generation.tokenizer.decode(codes))
    shutil.rmtree(vision)
    with pytest.raises(StorageError, match=r"has no visual tokenizer .put BAAI/Emu3-VisionTokenizer into"):
        open_model(folder)


@pytest.fixture
def folder(tmp_path: Path, write_text: Any, randomise: Any) -> Path:
    write(tmp_path, 0, write_text, randomise)
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(StorageError) as caught:
        open_model(folder)
    return str(caught.value)


def test_missing_and_surplus_tensors_are_named(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["text_model.model.norm.weight"], tensors["text_model.lm_head.weight"]
    del tensors["vqmodel.quantize.embedding.weight"]
    save_file(tensors | {"vqmodel.extra": torch.ones(1), "vision.x": torch.ones(1)}, folder / "model.safetensors")
    problems = refused(folder)
    for content in (
        "text_model.model.norm.weight",
        "text_model.lm_head.weight",
        "generation.tokenizer: the files lack vqmodel.quantize.embedding.weight",
        "generation.tokenizer: the files have tensors that the part does not have: vqmodel.extra",
        "the files have tensors that belong to no part: vision.x",
    ):
        assert content in problems


def test_what_the_files_cannot_be_is_told_at_once(folder: Path, change: Any) -> None:
    def spoil(content: Any) -> None:
        del content["vocabulary_map"]["<|extra_200|>"]
        content["vq_config"] |= {"attn_resolutions": [0], "latent_channels": 8, "codebook_size": 7}
        content["text_config"]["hidden_act"] = "gelu"

    change(folder, spoil)
    change(folder, lambda content: content.update(eos_token="<end>"), "tokenizer_config.json")
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.48, 0.46, 0.41], "image_std": 0}')
    problems = refused(folder)
    for content in (
        "vocabulary_map: lacks the token '<|extra_200|>', which ends the rows of a picture",
        "but the codebook in vq_config has 7",
        "vq_config.attn_resolutions: is [0]",
        "vq_config.latent_channels: is 8, but embed_dim is 4",
        'text_config.hidden_act: is "gelu"',
        "lacks the special token '<end>', the last token of every answer",
        "image_std: must be a list of three numbers above 0",
    ):
        assert content in problems


def test_an_older_config_leaves_out_defaults(folder: Path, change: Any) -> None:
    """Versions before 5 wrote what differs from the class alone, and stretched positions by name."""

    def older(content: Any) -> None:
        text = content["text_config"]
        theta = text.pop("rope_parameters")["rope_theta"]
        for name in ("max_position_embeddings", "rms_norm_eps", "hidden_act", "tie_word_embeddings"):
            del text[name]
        text |= {"rope_theta": theta, "rope_scaling": {"rope_type": "default"}}
        del content["tie_word_embeddings"], content["vq_config"]["embed_dim"], content["vq_config"]["double_latent"]

    before = open_model(folder).plan.recipe.backbone.config
    change(folder, older)
    assert open_model(folder).plan.recipe.backbone.config == before


def test_names_that_are_published_stay_as_they_are() -> None:
    for name in ("text_model.model.norm.weight", "text_model.lm_head.weight", "vqmodel.quant_conv.conv.bias"):
        assert published(name) == name


def test_the_released_sizes_are_those_of_the_recipe(tmp_path: Path) -> None:
    """The defaults of transformers' classes are Emu3-Gen; its files' ids are given in ``configuration_emu3.py``."""
    marks = {"<|endoftext|>": 151_643, "<image>": 151_646, "<|extra_200|>": 151_846, "<|extra_201|>": 151_847,
             "<|extra_203|>": 151_849, "<|extra_204|>": 151_850, "<|image token|>": 151_851,
             "<|image start|>": 151_852, "<|image end|>": 151_853}  # fmt: skip
    ids = marks | {f"<|visual token {code:06d}|>": 151_854 + code for code in range(32_768)}
    added = [{"id": id, "content": token} for token, id in ids.items()]
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": added, "model": {"vocab": ids}}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(NAMES))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "emu3", "vocabulary_map": ids}))
    expected = parts_of(read_recipe("emu3-gen"))
    looks = {f"understanding.{name}": expected[f"generation.{name}"] for name in ("tokenizer", "embedding", "adapter")}
    assert parts_of(format_of(tmp_path).format.recipe(tmp_path)) == expected | looks
    Emu3Config(vocabulary_map=ids).save_pretrained(tmp_path)
    assert parts_of(format_of(tmp_path).format.recipe(tmp_path)) == expected | looks
    (tmp_path / "Emu3-VisionTokenizer").mkdir()
    (tmp_path / "Emu3-VisionTokenizer" / "config.json").write_text('{"model_type": "Emu3VisionVQ"}')
    (tmp_path / "config.json").write_text('{"model_type": "Emu3", "image_area": 518400, "vocab_size": 184622}')
    assert parts_of(format_of(tmp_path).format.recipe(tmp_path)) == expected | looks


def parts_of(recipe: Any) -> dict[str, Any]:
    return {path: part.use.config for path, part in compose(recipe).parts.items()}
