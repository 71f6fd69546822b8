"""The official format: every form of its files, the recipe that follows, and all errors in them, reported at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import Conversation, JaniformError, StorageError, UsageError, load, open_model
from janiform.storage.contents import recipe_of
from janiform.storage.formats import recognise
from safetensors.torch import save_file

CONFIGS = ("config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json",
           "tokenizer_config.json", "special_tokens_map.json")  # fmt: skip


@pytest.fixture(scope="module")
def state(official: Path) -> dict[str, torch.Tensor]:
    return torch.load(official / "pytorch_model.bin", weights_only=True)


@pytest.fixture
def folder(official: Path, tmp_path: Path) -> Path:
    """A copy whose files may be changed; its name says nothing."""
    for name in CONFIGS:
        shutil.copy(official / name, tmp_path)
    (tmp_path / "pytorch_model.bin").symlink_to(official / "pytorch_model.bin")
    return tmp_path


def change(folder: Path, edit: Callable[[Any], Any], name: str = "config.json") -> None:
    content = json.loads((folder / name).read_text())
    edit(content)
    (folder / name).write_text(json.dumps(content))


def with_state(folder: Path, state: dict[str, torch.Tensor], **changes: Any) -> None:
    (folder / "pytorch_model.bin").unlink()
    save_file({name: tensor for name, tensor in (state | changes).items() if tensor is not None},
              folder / "model.safetensors")  # fmt: skip


def refused(folder: Path, **settings: Any) -> str:
    with pytest.raises(StorageError) as caught:
        open_model(folder, **settings)
    return str(caught.value)


def weights(model: Any) -> dict[str, torch.Tensor]:
    return model.state_dict()


@pytest.mark.parametrize("form", ["one safetensors", "sharded safetensors", "sharded pickles"])
def test_all_forms_of_the_files_give_the_same_model(
    folder: Path, state: dict[str, torch.Tensor], official_model: Any, form: str
) -> None:
    if form == "one safetensors":
        with_state(folder, state)
    else:
        (folder / "pytorch_model.bin").unlink()
        stem, suffix = ("model", "safetensors") if "safetensors" in form else ("pytorch_model", "bin")
        names, where = sorted(state), {}
        for index in range(3):
            some = {name: state[name] for name in names[index::3]}
            file = f"{stem}-0000{index + 1}-of-00003.{suffix}"
            (save_file if suffix == "safetensors" else torch.save)(some, folder / file)
            where |= dict.fromkeys(some, file)
        (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps({"weight_map": where}))
    again = weights(open_model(folder))
    assert again.keys() == weights(official_model).keys()
    assert all(torch.equal(tensor, again[name]) for name, tensor in weights(official_model).items())


def test_the_recipe_comes_from_the_files(folder: Path, official_model: Any) -> None:
    assert recognise(folder).reference == "official@1"
    parts = {path: part.use.config for path, part in official_model.plan.parts.items()}
    encoder, tokenizer = parts["understanding.encoder"], parts["generation.tokenizer"]
    assert (encoder.image_size, encoder.width, encoder.layers, encoder.heads, encoder.inner) == (64, 64, 3, 4, 256)
    assert (tokenizer.image_size, tokenizer.channels, tokenizer.multipliers) == (64, 32, (1, 1, 1, 1, 2))
    assert parts["layout"].roles == ("<|User|>", "<|Assistant|>")
    assert parts["backbone"].kv_heads == 4
    assert not parts["backbone"].tied
    assert encoder.mean == (0.5, 0.5, 0.5)


def test_a_preset_gives_what_params_do_not(folder: Path) -> None:
    def released(content: Any) -> None:
        for name in ("patch_size", "width", "layers", "heads", "mlp_ratio"):
            del content["vision_config"]["params"][name]
        for name in ("ch", "ch_mult", "z_channels"):
            del content["gen_vision_config"]["params"][name]
        content["aligner_config"]["params"]["input_dim"] = 1024
        content["language_config"] = {"model_type": "llama", "vocab_size": 102400, "num_hidden_layers": 30}
        for name in ("aligner_config", "gen_aligner_config", "gen_head_config"):
            content[name]["params"]["n_embed"] = content[name]["params"]["image_token_embed"] = 4096

    change(folder, released)
    problems = refused(folder)  # the tensors are those of the small one; what is wanted are the released sizes
    assert "understanding.encoder: vision_model.vision_tower.patch_embed.proj.weight: the shape is [64, 3, 16, 16] in "
    assert "the files, and [1024, 3, 16, 16] in the recipe" in problems
    assert "[96, 96] in the files, and [4096, 4096] in the recipe" in problems
    assert "the files lack language_model.model.layers.*" in problems
    assert "gen_vision_model.decoder.conv_in.weight: the shape is [64, 32, 3, 3]" in problems
    assert "Traceback" not in problems


def test_the_first_janus_calls_its_roles_by_words(folder: Path) -> None:
    def without_roles(content: Any) -> None:
        content["added_tokens"] = [
            token for token in content["added_tokens"] if not token["content"].endswith(("r|>", "t|>"))
        ]

    change(folder, without_roles, "tokenizer.json")
    model = open_model(folder, parts=("backbone",))
    ids = model.processor.sequence(Conversation.asking("Hi"), answer=False).ids
    assert model.processor.text.decode(ids).endswith("User: Hi\n\nAssistant:")


def test_the_weights_decide_whether_the_text_head_is_tied(folder: Path, state: dict[str, torch.Tensor]) -> None:
    head, table = "language_model.lm_head.weight", "language_model.model.embed_tokens.weight"

    def tie(stated: bool | None) -> None:
        change(folder, lambda content: content["language_config"].update(tie_word_embeddings=stated))

    for stated in (None, True, False):  # a head in the files is used, whatever the config says
        tie(stated)
        backbone = open_model(folder, parts=("backbone",)).backbone
        assert torch.equal(backbone.lm_head.weight, state[head])
    with_state(folder, state, **{head: None})
    assert "backbone: the files lack language_model.lm_head.weight" in refused(folder)
    for stated in (None, True):
        tie(stated)
        backbone = open_model(folder, parts=("backbone",)).backbone
        assert backbone.config.tied
        assert torch.equal(backbone.embed_tokens.weight, state[table])
    change(folder, lambda content: content["language_config"].update(tie_word_embeddings="no"))
    assert 'language_config.tie_word_embeddings: must be true or false, not "no"' in refused(folder)


def test_a_recipe_is_read_without_the_weights(folder: Path) -> None:
    (folder / "pytorch_model.bin").unlink()
    assert not recipe_of(str(folder))[0].backbone.config.tied
    assert "has no weights" in refused(folder)


def test_all_tensors_that_do_not_fit_are_told_by_part(folder: Path, state: dict[str, torch.Tensor]) -> None:
    changes = {
        "aligner.layers.0.bias": None,
        "gen_aligner.layers.7.bias": torch.zeros(3),
        "stranger": torch.zeros(1),
        "gen_embed.weight": torch.zeros(128, 9),
        "gen_head.vision_head.bias": torch.zeros(128, dtype=torch.int8),
    }
    with_state(folder, state, **changes)
    problems = refused(folder)
    assert "understanding.adapter: the files lack aligner.layers.0.bias" in problems
    assert (
        "generation.adapter: the files have tensors that the part does not have: gen_aligner.layers.7.bias" in problems
    )
    assert "the files have tensors that belong to no part: stranger" in problems
    assert (
        "generation.embedding: gen_embed.weight: the shape is [128, 9] in the files, and [128, 8] in the recipe"
        in problems
    )
    assert "generation.head: gen_head.vision_head.bias: the data type int8 in the files" in problems
    assert len(problems.splitlines()) == 5


def test_parts_may_be_left_out_and_are_not_read(folder: Path, state: dict[str, torch.Tensor], official: Path) -> None:
    broken = {name: torch.full_like(tensor, torch.nan) if name.startswith("gen_") and tensor.is_floating_point() else
              tensor for name, tensor in state.items()}  # fmt: skip
    with_state(folder, broken)
    looking = open_model(folder, parts=("backbone", "understanding"))
    assert {name.partition(".")[0] for name in weights(looking)} == {"backbone", "understanding"}
    problems = refused(folder)
    assert "generation.tokenizer: gen_vision_model." in problems
    assert "generation.head: gen_head." in problems
    assert problems.count("contains NaN or infinite values") == 4
    assert "backbone" not in problems
    missing = {name: tensor for name, tensor in state.items() if not name.startswith("vision_model")}
    save_file(missing, folder / "model.safetensors")
    assert open_model(folder, parts=("backbone", "generation")).generation.head is not None
    assert "understanding.encoder: the files lack vision_model" in refused(folder)


def test_weights_are_read_into_the_wanted_type(folder: Path, state: dict[str, torch.Tensor]) -> None:
    model = open_model(folder, dtype=torch.bfloat16)
    assert {tensor.dtype for tensor in weights(model).values()} == {torch.bfloat16}
    expected = state["language_model.model.norm.weight"].bfloat16()
    assert torch.equal(weights(model)["backbone.norm.weight"], expected)
    with_state(folder, state, **{"language_model.model.norm.weight": torch.full((96,), 1e5)})
    problems = refused(folder, dtype=torch.float16)
    assert "language_model.model.norm.weight: contains 1e+05, which is out of range for float16" in problems


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('{"model_type": "multi_modality", ', "config.json: is not valid JSON"),
        ('{"model_type": "multi_modality"}', "config.json: language_config: is missing"),
        ('{"model_type": "multi_modality", "vision_config": 3}', "vision_config: must be a table, not 3"),
    ],
)
def test_damaged_configs_are_told(folder: Path, text: str, content: str) -> None:
    (folder / "config.json").write_text(text)
    assert content in refused(folder)


def test_all_mistakes_of_the_configs_are_told_at_once(folder: Path) -> None:
    def spoil(content: Any) -> None:
        content["language_config"] |= {"hidden_size": 0, "num_attention_heads": "4", "rms_norm_eps": float("nan"),
                                    "num_hidden_layers": 10**9, "hidden_act": "gelu", "vocab_size": True}  # fmt: skip
        content["vision_config"]["params"] |= {"select_layer": -2, "mlp_ratio": float("inf"), "patch_size": 24}
        content["gen_vision_config"]["params"]["ch_mult"] = [1, 0]
        content["gen_head_config"]["params"]["image_token_size"] = 5
        content["aligner_config"]["params"]["projector_type"] = "low_high_hybrid_split_mlp_gelu"

    change(folder, spoil)
    change(folder, lambda content: content.update(image_size=384, image_mean=[2, 0, 0]), "preprocessor_config.json")
    change(folder, lambda content: content.update(sft_format="plain", num_image_tokens=576), "processor_config.json")
    problems = refused(folder)
    for content in (
        "config.json: language_config.hidden_size: must be a whole number from 1",
        'language_config.num_attention_heads: must be a whole number from 1 to 16777216, not "4"',
        "language_config.rms_norm_eps: must be a number above 0, not NaN",
        "language_config.num_hidden_layers: must be a whole number from 1 to 1024, not 1000000000",
        'language_config.hidden_act: is "gelu", but janiform supports "silu" only',
        "language_config.vocab_size: must be a whole number",
        "vision_config.params.select_layer: is -2",
        "vision_config.params.mlp_ratio: must be a number above 0, not Infinity",
        "vision_config.params.image_size: is 64, which is not a multiple of patch_size 24",
        "gen_vision_config.params.ch_mult: must be a list of at most 12 whole numbers",
        "gen_head_config.params.image_token_size: is 5, but gen_vision_config.params.image_token_size is 128",
        "aligner_config.params.projector_type: is",
        "preprocessor_config.json: size: is 384, but the vision model's image_size is 64",
        "preprocessor_config.json: image_mean: must be a list of three numbers",
        'processor_config.json: sft_format: is "plain"',
        "processor_config.json: num_image_tokens: is 576, but the encoder's grid is",
    ):
        assert content in problems


def test_a_tokenizer_of_another_model_is_told(folder: Path) -> None:
    def other(content: Any) -> None:
        content["added_tokens"] = [token for token in content["added_tokens"] if "image" not in token["content"]]
        content["added_tokens"][0]["id"] = 9999

    change(folder, other, "tokenizer.json")
    problems = refused(folder)
    for token in ("<begin_of_image>", "<end_of_image>", "<image_placeholder>"):
        assert f"lacks the special token '{token}', the token " in problems
    assert "has the id 9999 ('<｜begin▁of▁sentence｜>'), but the backbone has embeddings for ids below 768" in problems
    (folder / "tokenizer.json").unlink()
    assert "tokenizer.json: is missing" in refused(folder)


def test_other_directories_are_not_taken_for_models(folder: Path) -> None:
    change(folder, lambda content: content.update(model_type="llava"))
    assert recognise(folder) is None
    with pytest.raises(UsageError, match=r"not a model directory in any installed format .*multi_modality"):
        open_model(folder)


def test_it_opens_as_users_open_it(folder: Path) -> None:
    model = load(folder)
    assert len(model.generate("two cats", n=1)) == 1
    assert isinstance(model.ask(None, "hi", max_new_tokens=2), str)
    with pytest.raises(JaniformError, match="the recipe has no part 'understandin'"):
        open_model(folder, parts=("understandin",))
