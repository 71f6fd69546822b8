"""Chameleon's folders in transformers, opened as they are, against transformers itself: random models."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import janiform
import numpy as np
import pytest
import torch
from janiform import Conversation, Look, StorageError, Turn, UsageError, open_model, read_recipe
from janiform.cli import main
from janiform.compose import compose
from janiform.storage.contents import left_out
from janiform.storage.convert import convert
from janiform.storage.formats import format_of
from janiform_plugins.formats.chameleon.read import code_of
from janiform_plugins.tokenizers.config import TamingConfig
from janiform_plugins.tokenizers.taming import TamingTokenizer
from janiform_plugins.tokenizers.weights import taming
from safetensors.torch import load_file, save_file
from transformers import ChameleonConfig, ChameleonForConditionalGeneration

from ..tokenizers.published_vqgan import PublishedVqgan

LETTERS = 400
NAMES = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "sep_token": "<reserved08706>"}


def token_of(code: int) -> str:
    return "IMGIMG" + "".join(chr(ord("A") + int(digit)) for digit in str(code)) + "Z"


def special(first: int, codes: int) -> dict[str, int]:
    after = first + codes
    marks = {"<eoss>": after, "<racm3:break>": after + 1, "<reserved08706>": after + 2, "<image>": after + 3}
    return {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, **{token_of(c): first + c for c in range(codes)}, **marks}


def config(chance: random.Random, vocabulary: dict[str, int], codes: int) -> ChameleonConfig:
    heads = chance.choice((1, 2, 4))
    multipliers = [1, chance.choice((1, 2)), *([1] * chance.choice((0, 1)))]
    side = chance.choice((2, 3)) << (len(multipliers) - 1)
    return ChameleonConfig(
        vocab_size=LETTERS + 127 + chance.choice((0, 9)),
        hidden_size=heads * chance.choice((8, 12)),
        intermediate_size=chance.randrange(8, 64),
        num_hidden_layers=chance.choice((1, 2, 3)),
        num_attention_heads=heads,
        num_key_value_heads=chance.choice([number for number in (1, 2, 4) if heads % number == 0]),
        rope_parameters={"rope_type": "default", "rope_theta": chance.choice((10_000.0, 500_000.0))},
        swin_norm=chance.choice((True, False)),
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
        vocabulary_map=vocabulary,
        vq_config={
            "num_embeddings": codes,
            "base_channels": 32,
            "channel_multiplier": multipliers,
            "num_res_blocks": chance.choice((1, 2)),
            "embed_dim": chance.choice((4, 7)),
            "latent_channels": chance.choice((5, 6)),
            "resolution": side,
            "attn_resolutions": chance.choice(([], [side], None)),
        },
    )


def write(folder: Path, seed: int, write_text: Any, randomise: Any) -> Any:
    chance = random.Random(seed)
    codes, first = chance.randrange(11, 120), chance.choice((4, 9))
    vocabulary = write_text(folder, special(first, codes), LETTERS, NAMES)
    model = randomise(ChameleonForConditionalGeneration(config(chance, vocabulary, codes)), seed)
    model.save_pretrained(folder, max_shard_size="200KB" if seed % 2 else "5GB")
    return model


@pytest.fixture(scope="module", params=range(6))
def case(request: Any, tmp_path_factory: Any, write_text: Any, randomise: Any) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("chameleon")
    reference = write(folder, request.param, write_text, randomise).double()
    return SimpleNamespace(
        folder=folder, reference=reference, ours=open_model(folder, dtype=torch.float64), seed=request.param
    )


def picture(seed: int, side: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def asking(case: Any) -> tuple[Any, Any]:
    side = case.reference.config.vq_config.resolution
    pieces = ("Compare ", Look(picture(1, side)), " with", Look(picture(2, side + 5)), " now.")
    prompt = case.ours.processor.sequence(Conversation((Turn("user", pieces),)), answer=False)
    return prompt, case.ours.processor.collate([prompt])


@torch.no_grad()
def test_pictures_are_the_same_tokens_and_logits_are_equal(case: SimpleNamespace, assert_exact: Any) -> None:
    _, batch = asking(case)
    pixels = batch.pictures["understanding"].pixels.double()
    tokenizer = case.ours.understanding.tokenizer
    ids = tokenizer.encode(pixels)[..., 0] + case.ours.plan.parts["understanding.embedding"].use.config.first
    assert torch.equal(ids, case.reference.get_image_tokens(pixels).long())
    attended = torch.ones_like(batch.ids)
    states = case.reference.model(batch.ids, pixel_values=pixels, attention_mask=attended).last_hidden_state
    assert_exact(case.ours.backbone.logits(case.ours.hidden(batch)), case.reference.lm_head(states))
    text = case.ours.processor.collate(
        [case.ours.processor.sequence(Conversation.asking("Who are you?"), answer=False)]
    )
    states = case.reference.model(text.ids).last_hidden_state
    assert_exact(case.ours.backbone.logits(case.ours.hidden(text)), case.reference.lm_head(states))


def test_without_a_decoder_it_answers_and_says_what_it_needs_to_draw(case: SimpleNamespace) -> None:
    model = janiform.load(case.folder)
    assert isinstance(model.ask(picture(3, 8), "What is this?", max_new_tokens=3), str)
    with pytest.raises(UsageError) as caught:
        model.generate("a cat")
    assert "has no pathway that draws (the directory has no decoder of pictures: put vqgan.ckpt" in str(caught.value)
    assert str(case.folder) in str(caught.value)


@torch.no_grad()
def vqgan_of(case: Any, randomise: Any) -> tuple[dict[str, torch.Tensor], TamingConfig]:
    """The tensors of a released tokenizer: those of the folder, altered a little, with a decoder."""
    settings = case.ours.plan.parts["understanding.tokenizer"].use.config
    tensors = {name: tensor.float() + 0.01 for name, tensor in case.reference.model.vqmodel.state_dict().items()}
    for name, tensor in randomise(TamingTokenizer(settings), case.seed + 1).state_dict().items():
        if name.startswith("decoder."):
            (file_name,) = taming(settings).in_files(name) or ()
            tensors[file_name] = tensor.clone()
    return tensors, settings


@torch.no_grad()
def test_a_released_tokenizer_in_the_folder_is_taken_whole(
    case: SimpleNamespace, tmp_path: Path, randomise: Any, assert_exact: Any
) -> None:
    folder = Path(shutil.copytree(case.folder, tmp_path / "with"))
    tensors, settings = vqgan_of(case, randomise)
    torch.save({"state_dict": {**tensors, "loss.discriminator.weight": torch.ones(1)}}, folder / "vqgan.ckpt")
    model = janiform.load(folder, dtype=torch.float64)
    tokenizer = model.model.generation.tokenizer
    assert torch.equal(tokenizer.quantize.embedding.weight, tensors["quantize.embedding.weight"].double())
    codes = torch.randint(settings.vocabulary, (2, settings.grid.size, 1), generator=torch.Generator().manual_seed(1))
    blocks = [settings.blocks + 1] * len(settings.multipliers)
    sides = [settings.image_size >> level for level in range(len(blocks))]
    twin = PublishedVqgan(
        {name: tensor.double() for name, tensor in tensors.items()},
        decoder=blocks, sides=sides, attended=settings.attention_sides,
    )  # fmt: skip
    vectors = tensors["quantize.embedding.weight"].double()[codes[..., 0]].movedim(2, 1)
    expected = twin.decode(vectors.unflatten(2, (settings.grid.height, settings.grid.width)))
    assert_exact(tokenizer.decode(codes), expected)
    reasons = left_out(folder)
    assert reasons["loss.discriminator.weight"] == "it served to train the visual tokenizer"
    assert reasons["model.vqmodel.quant_conv.weight"] == "vqgan.ckpt has it, with the decoder"
    (drawn,) = model.generate("a cat", seed=1)
    assert drawn.size == (settings.image_size,) * 2
    config = model.recipe.pathways["generation"].parts["sampler"].config
    assert (config.guidance, config.picture_guidance, config.rule) == (3.0, 1.2, "nested")


def test_a_tokenizer_with_code_in_it_is_refused(case: SimpleNamespace, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(case.folder, tmp_path / "with"))
    torch.save({"state_dict": {}, "callbacks": Path("x")}, folder / "vqgan.ckpt")
    with pytest.raises(StorageError, match=r"vqgan.ckpt: is refused: it contains pathlib"):
        open_model(folder)


@torch.no_grad()
def test_it_is_shown_and_converted(case: SimpleNamespace, tmp_path: Path, capsys: Any) -> None:
    assert main(["show", str(case.folder)]) == 0
    assert 'use = "taming@1"' in capsys.readouterr().out
    converted = convert(case.folder, tmp_path / "own", "janiform")
    assert (converted.source, converted.left_out) == ("chameleon", {})
    again = open_model(tmp_path / "own", dtype=torch.float64)
    _, batch = asking(case)
    assert torch.equal(again.hidden(batch), case.ours.hidden(batch))


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
    del tensors["model.norm.weight"], tensors["lm_head.weight"], tensors["model.vqmodel.quant_conv.bias"]
    save_file(tensors | {"model.vqmodel.extra": torch.ones(1), "vision.x": torch.ones(1)}, folder / "model.safetensors")
    problems = refused(folder)
    for content in (
        "backbone: the files lack norm.weight",
        "lm_head.weight",
        "understanding.tokenizer: the files lack model.vqmodel.quant_conv.bias",
        "understanding.tokenizer: the files have tensors that the part does not have: model.vqmodel.extra",
        "the files have tensors that belong to no part: vision.x",
    ):
        assert content in problems.replace("model.norm", "norm")


def test_what_the_files_cannot_be_is_told_at_once(folder: Path, change: Any) -> None:
    def spoil(content: Any) -> None:
        content["vocabulary_map"][token_of(3)], content["vocabulary_map"][token_of(5)] = (
            content["vocabulary_map"][token_of(5)],
            content["vocabulary_map"][token_of(3)],
        )
        content["vq_config"] |= {"double_latent": True, "base_channels": 33}
        content["rope_parameters"] = {"rope_type": "yarn"}

    change(folder, spoil)
    change(folder, lambda content: content.update(sep_token="<end>"), "tokenizer_config.json")
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.48, 0.46, 0.41], "image_std": [0.3, 0.3, 0.3]}')
    problems = refused(folder)
    for content in (
        "vocabulary_map: has the id",
        "for code 3, but janiform reads codes with consecutive ids only",
        "vq_config.double_latent: is true",
        "vq_config.base_channels: is 33",
        'rope_parameters.rope_type: is "yarn"',
        "lacks the special token '<end>', the last token of every turn of the user",
        "preprocessor_config.json: gives pixels from",
    ):
        assert content in problems
    change(folder, lambda content: content["vq_config"].update(num_embeddings=7))
    assert "but the codebook in vq_config has 7" in refused(folder)


def test_the_processor_of_transformers_is_accepted(folder: Path, change: Any) -> None:
    side = open_model(folder).plan.parts["understanding.tokenizer"].use.config.image_size
    sizes = f'"size": {{"shortest_edge": {side}}}, "crop_size": {{"height": {side}, "width": {side}}}'
    text = f'{{"image_mean": [1, 1, 1], "image_std": [1, 1, 1], "rescale_factor": 0.0078, {sizes}}}'
    (folder / "preprocessor_config.json").write_text(text)
    open_model(folder)
    (folder / "preprocessor_config.json").write_text(text.replace(f'edge": {side}', 'edge": 17'))
    assert f"but the visual tokenizer's resolution is {side}" in refused(folder)


def test_digits_of_codes_are_letters() -> None:
    assert [code_of(token) for token in ("IMGIMGAZ", "IMGIMGIBJBZ", "IMGIMGZ", "<image>")] == [0, 8191, None, None]


def test_the_released_sizes_are_those_of_the_recipe(tmp_path: Path) -> None:
    """The defaults of transformers' class are Chameleon-7B; without a decoder, the parts that look are the same."""
    ids = special(4, 8192) | {"<reserved08706>": 8710, "<image>": 8711}
    added = [{"id": id, "content": token} for token, id in ids.items()]
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": added, "model": {"vocab": ids}}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(NAMES))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "chameleon", "vocabulary_map": ids}))
    expected = parts_of(read_recipe("chameleon-7b"))
    looking = parts_of(format_of(tmp_path).format.recipe(tmp_path))
    assert looking == {path: expected[path] for path in looking}
    assert {"understanding.tokenizer", "understanding.embedding", "backbone"} <= looking.keys()
    (tmp_path / "vqgan.ckpt").touch()
    assert parts_of(format_of(tmp_path).format.recipe(tmp_path)) == expected
    ChameleonConfig(vocabulary_map=ids).save_pretrained(tmp_path)
    assert parts_of(format_of(tmp_path).format.recipe(tmp_path)) == expected


def parts_of(recipe: Any) -> dict[str, Any]:
    """The settings of all parts, with the number of key heads also where the recipe leaves it to the heads."""
    parts = {path: part.use.config for path, part in compose(recipe).parts.items()}
    return parts | {"backbone": attrs.evolve(parts["backbone"], kv_heads=parts["backbone"].hidden().kv_heads)}
