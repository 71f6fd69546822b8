"""Show-o's folder in the layout of its release: random weights of transformers' Phi, and MAGVIT-v2 in its own names."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from janiform import Conversation, Model, StorageError, open_model, read_recipe, registry
from janiform.cli import main
from janiform.compose import compose
from janiform.storage.convert import convert
from janiform.storage.formats import format_of
from janiform_plugins.formats.show_o.read import SPECIAL_TOKENS
from janiform_plugins.tokenizers.magvit2.config import Magvit2Config
from janiform_plugins.tokenizers.magvit2.tokenizer import Magvit2Tokenizer
from janiform_plugins.tokenizers.weights import show_o
from safetensors.torch import load_file, save_file
from transformers import PhiConfig, PhiForCausalLM

TEXT = 228
"""Ids of text, of which the last is that of ``<|endoftext|>``."""
FIRST = TEXT + len(SPECIAL_TOKENS)


def files_of(folder: Path, config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file({name: value.contiguous() for name, value in tensors.items()}, folder / "model.safetensors")


def write(folder: Path, seed: int, write_text: Any, randomise: Any) -> SimpleNamespace:
    chance = random.Random(seed)
    bits, side = chance.randrange(3, 6), chance.choice((2, 3))
    vocabulary = FIRST + (1 << bits) + 1
    heads = chance.choice((2, 4))
    sizes = {
        "hidden_size": heads * 8, "intermediate_size": chance.randrange(8, 40), "num_hidden_layers": 2,
        "num_attention_heads": heads, "max_position_embeddings": 512, "layer_norm_eps": chance.choice((1e-5, 1e-6)),
    }  # fmt: skip
    rope = {"rope_theta": chance.choice((10_000.0, 100_000.0)), "partial_rotary_factor": chance.choice((0.5, 1.0))}
    described = PhiConfig(
        **sizes, vocab_size=vocabulary, attn_implementation="eager",
        rope_parameters={"rope_type": "default", **rope},
    )  # fmt: skip
    phi = randomise(PhiForCausalLM(described), seed)
    model, beside = folder / "show-o", folder if seed else folder / "show-o"
    config = {
        "w_clip_vit": False, "vocab_size": vocabulary, "llm_vocab_size": TEXT, "codebook_size": 1 << bits,
        "num_vq_tokens": side**2, "num_new_special_tokens": 10, "llm_model_path": "microsoft/phi-1_5",
    }  # fmt: skip
    files_of(model, config, {f"showo.{name}": value for name, value in phi.state_dict().items()})
    visual = Magvit2Config(
        image_size=2 * side, channels=32, multipliers=(1, 2), blocks=(2, 1), decoder_multipliers=(2, 1),
        decoder_blocks=(1, 2), bits=bits,
    )  # fmt: skip
    tokenizer, names = randomise(Magvit2Tokenizer(visual), seed), show_o(visual)
    codes = torch.arange(1 << bits)[:, None] >> torch.arange(bits - 1, -1, -1)
    tables = {"quantize.embedding": (codes & 1) * 2.0 - 1, "quantize.power_vals": 2 ** torch.arange(bits - 1, -1, -1)}
    state = {names.in_files(name)[0]: value for name, value in tokenizer.state_dict().items()}  # type: ignore[index]
    files_of(beside / "magvitv2", {}, state | tables)
    (beside / "phi-1_5").mkdir()
    written = {**sizes, **rope, "model_type": "phi", "hidden_act": "gelu_new", "vocab_size": 51_200,
               "qk_layernorm": False, "tie_word_embeddings": False, "rope_scaling": None}  # fmt: skip
    (beside / "phi-1_5" / "config.json").write_text(json.dumps(written))
    # Every id has a token, as in Phi: the library numbers further tokens by how many there are.
    others = {f"<{id}>": id for id in (*range(110), *range(111, 132))}
    write_text(beside / "phi-1_5", {**others, "<|endoftext|>": TEXT - 1}, 100, {})
    return SimpleNamespace(folder=model, beside=beside, phi=phi, tokenizer=tokenizer, visual=visual)


@pytest.fixture(scope="module", params=range(3))
def case(request: Any, tmp_path_factory: Any, write_text: Any, randomise: Any) -> SimpleNamespace:
    case = write(tmp_path_factory.mktemp("show-o"), request.param, write_text, randomise)
    case.ours = open_model(case.folder)
    return case


@torch.no_grad()
def test_codes_pixels_and_logits_are_those_of_the_released_parts(case: SimpleNamespace, assert_exact: Any) -> None:
    ours, tokenizer = case.ours, case.ours.part("generation.tokenizer")
    pixels = torch.rand(2, 3, case.visual.image_size, case.visual.image_size) * 2 - 1
    codes = tokenizer.encode(pixels)
    assert torch.equal(codes, case.tokenizer.encode(pixels))
    assert_exact(tokenizer.decode(codes), case.tokenizer.decode(codes))
    sequence = ours.processor.sequence(Conversation.asking("why?", codes[0].numpy(), answer="so"))
    ids = sequence.ids
    places, tokens = slice(2, 2 + codes.shape[1]), {token: TEXT + i for i, token in enumerate(SPECIAL_TOKENS)}
    ids[places] = (codes[0, :, 0] + FIRST).tolist()
    end = places.stop
    assert ids[:2] == [tokens["<|mmu|>"], tokens["<|soi|>"]]
    assert ids[end : end + 2] == [tokens["<|eoi|>"], TEXT - 1]
    allowed = torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
    allowed[: end + 1, : end + 1] = True
    mask = torch.zeros(allowed.shape).masked_fill(~allowed, torch.finfo(torch.float32).min)[None, None]
    expected = case.phi(torch.tensor([ids]), attention_mask=mask).logits
    corrupted = ours.processor.corrupted(sequence, None)
    assert_exact(ours.backbone.logits(ours.hidden(ours.processor.collate([corrupted]))), expected)


def test_it_draws_and_answers(case: SimpleNamespace) -> None:
    model = Model(case.ours)
    (picture,) = model.generate("a cat", seed=1, steps=2)
    assert picture.size == (case.visual.image_size,) * 2
    assert isinstance(model.ask(picture, "what?", max_new_tokens=2), str)


def test_it_is_recognised_and_written_as_janiform(case: SimpleNamespace, tmp_path: Path) -> None:
    assert registry().find("format", "show-o").config().recognises(case.folder)
    convert(case.folder, tmp_path / "ours", "janiform")
    again = open_model(tmp_path / "ours")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in case.ours.state_dict().items())
    assert again.processor.drawing_prompt("a cat") == case.ours.processor.drawing_prompt("a cat")


def test_the_released_config_is_the_recipe_that_ships(tmp_path: Path) -> None:
    """The sizes of show-o-512x512 and phi-1_5."""
    config = {
        "codebook_size": 8192, "llm_model_path": "microsoft/phi-1_5", "llm_vocab_size": 50_295, "load_from_showo": True,
        "num_new_special_tokens": 10, "num_vq_tokens": 1024, "vocab_size": 58_498, "w_clip_vit": False,
    }  # fmt: skip
    language = {
        "hidden_act": "gelu_new", "hidden_size": 2048, "intermediate_size": 8192, "layer_norm_eps": 1e-05,
        "max_position_embeddings": 2048, "model_type": "phi", "num_attention_heads": 32, "num_hidden_layers": 24,
        "num_key_value_heads": None, "partial_rotary_factor": 0.5, "qk_layernorm": False, "rope_scaling": None,
        "rope_theta": 10000.0, "tie_word_embeddings": False, "vocab_size": 51200,
    }  # fmt: skip
    for folder in ("phi-1_5", "magvitv2"):
        (tmp_path / folder).mkdir()
    words = {"model": {"vocab": {f"word {id}": id for id in range(50_295) if id != 50_256}},
             "added_tokens": [{"id": 50_256, "content": "<|endoftext|>"}]}  # fmt: skip
    (tmp_path / "phi-1_5" / "tokenizer.json").write_text(json.dumps(words))
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "phi-1_5" / "config.json").write_text(json.dumps(language))
    tensors = {"encoder.conv_in.weight": torch.zeros(128, 3, 3, 3)}  # of a file in an unknown version
    save_file(tensors, tmp_path / "magvitv2" / "model.safetensors")
    read, shipped = compose(format_of(tmp_path).format.recipe(tmp_path)), compose(read_recipe("show-o-512"))
    assert read.parts.keys() == shipped.parts.keys()
    for path, part in shipped.parts.items():
        if path != "text":
            assert read.parts[path].use.config == part.use.config, path


def copied(case: SimpleNamespace, folder: Path) -> Path:
    """A copy whose folders of other models lie within the model's."""
    for source in (case.folder, *(case.beside / name for name in ("phi-1_5", "magvitv2"))):
        target = folder if source == case.folder else folder / source.name
        target.mkdir(exist_ok=True)
        for file in source.iterdir():
            if file.is_file():
                (target / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.mark.parametrize(
    ("file", "name", "part"),
    [
        ("model.safetensors", "showo.model.layers.1.mlp.fc1.bias", "backbone"),
        ("model.safetensors", "showo.lm_head.bias", "backbone"),
        ("magvitv2/model.safetensors", "encoder.quant_conv.bias", "generation.tokenizer"),
        ("magvitv2/model.safetensors", "decoder.up.1.block.0.norm1.weight", "generation.tokenizer"),
    ],
)
def test_tensors_that_are_missing_or_surplus_are_named(
    case: SimpleNamespace, tmp_path: Path, file: str, name: str, part: str
) -> None:
    folder = copied(case, tmp_path)
    tensors = load_file(folder / file)
    tensors[f"{name}_2"] = tensors.pop(name)
    save_file(tensors, folder / file)
    with pytest.raises(StorageError) as raised:
        open_model(folder)
    sentences = {problem.message: problem.path for problem in raised.value.problems}
    assert sentences.pop(f"the files lack {name}") == part
    assert any(f"{name}_2" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("file", "setting", "value", "sentence"),
    [
        ("config.json", "w_clip_vit", True, "is true, but janiform supports false only"),
        ("config.json", "num_vq_tokens", 5, "expected a square number"),
        ("config.json", "num_new_special_tokens", 9, "the number of special tokens of Show-o is 10"),
        ("config.json", "vocab_size", 999, "the number of ids of text, special tokens, codes and the mask"),
        ("config.json", "llm_vocab_size", 200, r"has 228 ids of text, but llm_vocab_size in config\.json is 200"),
        ("phi-1_5/config.json", "qk_layernorm", True, "is true, but janiform supports false only"),
        ("phi-1_5/config.json", "model_type", "phi3", 'is "phi3", but janiform supports "phi" only'),
    ],
)
def test_other_models_are_refused(
    case: SimpleNamespace, tmp_path: Path, change: Any, file: str, setting: str, value: Any, sentence: str
) -> None:
    folder = copied(case, tmp_path)
    change(folder, lambda values: values.update({setting: value}), file)
    with pytest.raises(StorageError, match=sentence):
        format_of(folder).format.recipe(folder)


@pytest.mark.parametrize("name", ["phi-1_5", "magvitv2"])
def test_a_folder_that_is_missing_is_named(case: SimpleNamespace, tmp_path: Path, name: str, capsys: Any) -> None:
    folder = copied(case, tmp_path / "model")
    (folder / name).rename(tmp_path / "elsewhere")
    assert main(["check", str(folder)]) == 1
    assert f"has no folder {name}" in " ".join(capsys.readouterr().err.split())
