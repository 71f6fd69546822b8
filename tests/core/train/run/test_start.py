"""Training begins with the weights of other models, part by part, or says what does not belong together."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
import transformers
from janiform import JaniformError, Mask, Problem, RecipeError, StorageError, read_recipe, read_recipe_text, registry
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.model.modules import build_modules
from janiform.recipe import Use, dumps
from janiform.storage.model_json import about
from janiform.storage.save import save_model
from janiform.train.run.folder import differences
from janiform.train.run.start import begin
from janiform.train.run.start_checks import compared
from janiform.train.run.train import train
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers

LLAMA = {"width": 16, "inner": 24, "layers": 2, "heads": 2, "vocabulary": 60, "context": 64}
SIGLIP = {"image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "heads": 2, "activation": "gelu-tanh"}
EYES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}
WORDS = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
         "num_key_value_heads": 1, "vocab_size": 60, "max_position_embeddings": 64, "rms_norm_eps": 1e-6,
         "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}  # fmt: skip
ENCODER = "understanding.encoder"


@pytest.fixture
def model_with(make_plan: Callable[..., Any]) -> Callable[..., Any]:
    """``model_with("backbone", "llama", width=16)``: a fresh tiny model with another part at a path."""

    def build(path: str, component: str, **settings: Any) -> Any:
        found = registry().find(path.rpartition(".")[2], component)
        used = Use(found.kind, found, found.config(**settings))
        recipe = make_plan(text={"vocabulary": 0}).recipe
        if path == "backbone":
            recipe = attrs.evolve(recipe, backbone=used)
        else:
            ways = dict(recipe.pathways)
            ways["understanding"] = attrs.evolve(
                ways["understanding"], parts={**ways["understanding"].parts, "encoder": used}
            )
            recipe = attrs.evolve(recipe, pathways=ways)
        return build_model(compose(recipe))

    return build


def theirs(kind: str, settings: dict[str, Any], folder: Path, *, causal: bool = False) -> Any:
    """A random model of transformers, and its directory."""
    config = transformers.AutoConfig.for_model(kind, **settings)
    auto = transformers.AutoModelForCausalLM if causal else transformers.AutoModel
    torch.manual_seed(1)
    made = auto.from_config(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    made.save_pretrained(folder)
    return made


def refusal(model: Any, start: dict[str, str]) -> str:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(StorageError) as caught:
        begin(model, start, print)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items()), "nothing is filled then"
    return str(caught.value)


FAMILIES = {
    "qwen3": ("qwen3", {"kv_heads": 1, "head_width": 6}, {"head_dim": 6}),
    "qwen3_moe": (
        "qwen3-moe",
        {"kv_heads": 1, "head_width": 6, "experts": 4, "active": 3, "expert_inner": 12, "normalised": False},
        {
            "head_dim": 6,
            "num_experts": 4,
            "num_experts_per_tok": 3,
            "moe_intermediate_size": 12,
            "norm_topk_prob": False,
        },
    ),
    "qwen2": ("qwen2", {"kv_heads": 1, "tied": True}, {"tie_word_embeddings": True}),
    "gemma": ("gemma", {"kv_heads": 1, "head_width": 8, "tied": True}, {"head_dim": 8}),
    "llama": ("transformers", {"model_type": "llama", "settings": WORDS}, {}),
    "gpt2": (
        "transformers",
        {"model_type": "gpt2", "settings": {"n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 60}},
        {},
    ),
}


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_backbone_begins_with_the_directory_of_a_language_model(kind: str, model_with: Any, tmp_path: Path) -> None:
    component, ours, more = FAMILIES[kind]
    bridged = component == "transformers"
    settings = ours["settings"] if bridged else WORDS | more
    reference = theirs(kind, settings, tmp_path, causal=True)
    model = model_with("backbone", component, **(ours if bridged else LLAMA | ours))
    told: list[str] = []
    facts = begin(model, {"backbone": str(tmp_path)}, told.append)
    part, ids = model.part("backbone").eval(), torch.randint(3, 60, (1, 7))
    with torch.no_grad():
        given = part.logits(part(part.embed(ids), torch.arange(7)[None], Mask.causal()))
        expected = reference(ids).logits
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-5 * expected.abs().max().item())
    assert told == [f"backbone begins with the weights of {tmp_path}"]
    content = (tmp_path / "model.safetensors").read_bytes()
    described = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert facts["backbone"]["files"] == {"model.safetensors": described}


CODES = {f"IMGIMG{chr(65 + code // 10)}{chr(65 + code % 10)}Z": 4 + code for code in range(16)}
BESIDE = {
    "chameleon": {
        "vocabulary_map": {**CODES, "<image>": 3},
        "vq_config": {"base_channels": 32, "channel_multiplier": [1], "num_res_blocks": 1, "resolution": 8},
    },
    "emu3": {
        "vocabulary_map": {"<image>": 3},
        "vq_config": {
            "base_channels": 32,
            "channel_multiplier": [1, 1],
            "num_res_blocks": 1,
            "attn_resolutions": [],
            "hidden_size": 32,
        },
    },
}
"""Models of pictures and text with one vocabulary -> what their configs hold beside the language model."""


def with_visual_tokenizer(kind: str, settings: dict[str, Any], folder: Path) -> Any:
    """A random model with its visual tokenizer, and its directory."""
    if kind.startswith("emu3"):
        config = transformers.Emu3Config(text_config=settings | {"pad_token_id": 0}, **BESIDE["emu3"])
        made = transformers.Emu3ForConditionalGeneration(config)
    else:
        config = transformers.ChameleonConfig(**settings, **BESIDE[kind])
        made = transformers.ChameleonForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    made.save_pretrained(folder)
    if kind == "emu3, as some versions wrote it":
        save_file(made.state_dict(), folder / "model.safetensors")
    return made.eval()


@pytest.mark.parametrize(
    ("kind", "component", "ours", "more"),
    [
        ("emu3", "llama", {"rope_theta": 1e6}, {}),
        ("emu3, as some versions wrote it", "llama", {"rope_theta": 1e6}, {}),
        ("chameleon", "chameleon", {}, {}),
        ("chameleon", "chameleon", {"swin_norm": True}, {"swin_norm": True}),
    ],
)
def test_a_backbone_begins_with_a_model_that_has_a_visual_tokenizer(
    kind: str, component: str, ours: dict[str, Any], more: dict[str, Any], model_with: Any, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    reference = with_visual_tokenizer(kind, WORDS | more, tmp_path)
    model = model_with("backbone", component, **LLAMA | {"kv_heads": 1} | ours)
    told: list[str] = []
    begin(model, {"backbone": str(tmp_path)}, told.append)
    part, ids = model.part("backbone").eval(), torch.randint(3, 60, (2, 9))
    with torch.no_grad():
        given = part(part.embed(ids), torch.arange(9).expand(2, -1), Mask.causal())
        expected = reference.model(ids).last_hidden_state
        logits, expected_logits = part.logits(given), reference.lm_head(expected)
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-5 * expected.abs().max().item())
    torch.testing.assert_close(logits, expected_logits, rtol=0, atol=1e-5 * expected_logits.abs().max().item())
    beside = sum(1 for name in load_file(tmp_path / "model.safetensors") if "vqmodel" in name)
    assert told == [
        f"backbone begins with the weights of {tmp_path}; {beside} tensors of other parts there are ignored"
    ]


def test_the_other_order_of_norms_is_refused(model_with: Any, tmp_path: Path) -> None:
    with_visual_tokenizer("chameleon", WORDS | {"swin_norm": True}, tmp_path)
    model = model_with("backbone", "chameleon", **LLAMA, kv_heads=1)
    assert "swin_norm: is False in the recipe, and True in the config of the weights" in refusal(
        model, {"backbone": str(tmp_path)}
    )


SEEING = {
    "siglip_vision_model": ("siglip", SIGLIP, EYES | {"intermediate_size": 64}),
    "clip_vision_model": (
        "clip",
        {key: value for key, value in SIGLIP.items() if key != "activation"} | {"layers": 2, "layer": -2},
        EYES | {"intermediate_size": 64, "num_hidden_layers": 2},
    ),
    "dinov2": ("dinov2", {key: value for key, value in SIGLIP.items() if key != "activation"}, EYES),
    "vit": ("transformers", {"model_type": "vit", "settings": EYES | {"intermediate_size": 64}}, {}),
}


@pytest.mark.parametrize("kind", SEEING)
def test_an_encoder_begins_with_the_directory_of_a_tower(kind: str, model_with: Any, tmp_path: Path) -> None:
    component, ours, settings = SEEING[kind]
    reference = theirs(kind, settings or ours["settings"], tmp_path)
    model = model_with(ENCODER, component, **ours)
    begin(model, {ENCODER: str(tmp_path)}, print)
    pixels = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        states = reference(pixels, output_hidden_states=True)
        expected = states.hidden_states[-2] if kind.startswith("clip") else states.last_hidden_state
        given = model.part(ENCODER).eval()(pixels)
    torch.testing.assert_close(given, expected[:, -4:], rtol=0, atol=1e-5 * expected.abs().max().item())


def test_a_tower_is_found_inside_of_a_whole_siglip(model_with: Any, tmp_path: Path) -> None:
    tower = EYES | {"intermediate_size": 64}
    config = transformers.SiglipConfig(
        vision_config=tower,
        text_config={"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 9,
                     "intermediate_size": 16},
    )  # fmt: skip
    whole = transformers.SiglipModel(config)
    whole.save_pretrained(tmp_path)
    model, told = model_with(ENCODER, "siglip", **SIGLIP), list[str]()
    begin(model, {ENCODER: str(tmp_path)}, told.append)
    assert torch.equal(model.part(ENCODER).patch_embed.weight, whole.vision_model.embeddings.patch_embedding.weight)
    assert "tensors of other parts there are ignored" in told[0]


def test_a_pathway_begins_with_a_model_of_the_official_layout(official: Path, official_model: Any) -> None:
    torch.manual_seed(5)
    model = build_model(official_model.plan)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    begin(model, {"understanding": str(official)}, print)
    for name, value in model.state_dict().items():
        mine = official_model.state_dict()[name] if name.startswith("understanding.") else before[name]
        assert torch.equal(value, mine), name


def test_the_nearest_path_decides_where_a_part_begins(official: Path, official_model: Any, tmp_path: Path) -> None:
    model = build_model(official_model.plan)
    theirs = official_model.state_dict()
    from janiform import save_model

    other = build_model(official_model.plan)
    other.processor = official_model.processor
    save_model(other, tmp_path / "other")
    begin(model, {"generation.head": str(tmp_path / "other"), ".": str(official)}, print)
    for name, value in model.state_dict().items():
        assert torch.equal(value, (other.state_dict() if name.startswith("generation.head") else theirs)[name]), name
    assert model.processor.text.encode("a red circle") == official_model.processor.text.encode("a red circle")


def test_rows_that_the_files_lack_begin_as_the_mean(model_with: Any, tmp_path: Path) -> None:
    theirs("llama", WORDS, tmp_path, causal=True)
    stored, told = load_file(tmp_path / "model.safetensors"), list[str]()
    model = model_with("backbone", "llama", **LLAMA | {"kv_heads": 1, "vocabulary": 64})
    begin(model, {"backbone": str(tmp_path)}, told.append)
    for ours, name in (("embed_tokens", "model.embed_tokens.weight"), ("lm_head", "lm_head.weight")):
        rows = getattr(model.part("backbone"), ours).weight
        assert torch.equal(rows[:60], stored[name])
        torch.testing.assert_close(rows[60:], stored[name].mean(dim=0).expand(4, -1), rtol=1e-6, atol=1e-7)
    assert told[-1] == "backbone: the rows of 4 text ids, 60 to 63, begin as the mean of the others"


def tokenizer(folder: Path) -> None:
    """A vocabulary of 256 bytes, with none of Janus' special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({byte: index for index, byte in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.save(str(folder / "tokenizer.json"))


def test_a_tokenizer_is_given_the_special_tokens_that_it_lacks(model_with: Any, tmp_path: Path) -> None:
    theirs("llama", WORDS | {"vocab_size": 266}, tmp_path, causal=True)
    tokenizer(tmp_path)
    stored, told = load_file(tmp_path / "model.safetensors")["model.embed_tokens.weight"], list[str]()
    model = model_with("backbone", "llama", **LLAMA | {"kv_heads": 1, "vocabulary": 266})
    facts = begin(model, {"backbone": str(tmp_path), "text": str(tmp_path)}, told.append)
    assert len(facts["text"]["added"]) == 8
    assert model.processor.text.id_of("<|User|>") in range(256, 264)
    rows, kept = model.part("backbone").embed_tokens.weight, [*range(256), 264, 265]
    assert torch.equal(rows[kept], stored[kept])
    torch.testing.assert_close(rows[256:264], stored[kept].mean(dim=0).expand(8, -1), rtol=1e-6, atol=1e-7)
    assert "8 text ids, 256 to 263" in told[-1]
    small = model_with("backbone", "llama", **LLAMA | {"kv_heads": 1, "vocabulary": 260})
    assert "264 ids, 8 of them new, and the backbone has 260 (set backbone.vocabulary to 264" in refusal(
        small, {"text": str(tmp_path)}
    )


def test_what_does_not_belong_together_is_named_by_both_ends(model_with: Any, tmp_path: Path) -> None:
    theirs("llama", WORDS, tmp_path, causal=True)
    start = {"backbone": str(tmp_path)}
    fitting = LLAMA | {"kv_heads": 1}
    wide = refusal(model_with("backbone", "llama", **fitting | {"inner": 32}), start)
    assert f"{tmp_path / 'config.json'}: backbone.inner: is 32 in the recipe, and 24 in the config of" in wide
    turning = refusal(model_with("backbone", "llama", **fitting | {"rope_theta": 5e5}), start)
    assert "backbone.rope_theta: is 500000.0 in the recipe, and 10000.0 in the config" in turning
    assert "a model of type 'llama'; backbone 'gemma' takes 'gemma'" in refusal(
        model_with("backbone", "gemma", **fitting), start
    )
    (tmp_path / "config.json").unlink()
    short = refusal(model_with("backbone", "llama", **fitting | {"layers": 1}), start)
    assert (
        "backbone: the files have tensors that the part does not have: model.layers.1.input_layernorm.weight" in short
    )
    long = refusal(model_with("backbone", "llama", **fitting | {"layers": 3}), start)
    assert "backbone: the files lack model.layers.2." in long
    assert "model.layers.2.self_attn.q_proj.weight" in long
    assert "the shape is [24, 16] in the files, and [32, 16] in the recipe" in refusal(
        model_with("backbone", "llama", **fitting | {"inner": 32}), start
    )
    tied = refusal(model_with("backbone", "llama", **fitting | {"tied": True}), start)
    assert "lm_head.weight differs from model.embed_tokens.weight, but the part has one tensor for both" in tied
    assert "has none of the tensors of siglip@1" in refusal(
        model_with(ENCODER, "siglip", **SIGLIP), {ENCODER: str(tmp_path)}
    )
    whole = refusal(model_with("backbone", "llama", **fitting), {".": str(tmp_path)})
    assert "is not a model directory in any installed format" in whole
    assert "name the part that it contains" in whole
    assert "there is no directory nowhere" in refusal(model_with("backbone", "llama", **fitting), {"text": "nowhere"})


def test_a_whole_model_with_another_component_is_refused(official: Path, model_with: Any) -> None:
    said = refusal(model_with(ENCODER, "clip", image_size=16, patch_size=8, width=16, layers=1, heads=2, layer=-1),
                   {ENCODER: str(official)})  # fmt: skip
    assert f"understanding.encoder: is clip@1 in the recipe, and siglip@1 in {official}" in said


def test_nan_in_the_files_is_found(model_with: Any, tmp_path: Path) -> None:
    theirs("llama", WORDS, tmp_path, causal=True)
    stored = load_file(tmp_path / "model.safetensors")
    stored["model.norm.weight"][0] = float("nan")
    save_file(stored, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(JaniformError, match=r"model.norm.weight: contains NaN"):
        begin(model_with("backbone", "llama", **LLAMA | {"kv_heads": 1}), {"backbone": str(tmp_path)}, print)


def test_a_recipe_says_where_its_parts_begin(recipe_text: str) -> None:
    recipe = read_recipe_text(recipe_text + '[start]\nbackbone = "a"\nunderstanding.encoder = "b"\n"." = "c"\n')
    assert recipe.start == {"backbone": "a", "understanding.encoder": "b", ".": "c"}
    assert read_recipe_text(dumps(recipe)).start == recipe.start
    assert read_recipe_text('start = "all"\n' + recipe_text).start == {".": "all"}
    with pytest.raises(RecipeError, match=r"no part 'bakbone' to start .did you mean 'backbone'"):
        read_recipe_text(recipe_text + '[start]\nbakbone = "a"\n')
    with pytest.raises(RecipeError, match=r"start.backbone: expected a directory, got 3"):
        read_recipe_text(recipe_text + "[start]\nbackbone = 3\n")
    assert read_recipe("janus-mini", ['start."." = "janus-mini"']).start == {".": "janus-mini"}


def test_paths_start_at_the_file_that_they_are_written_in(
    recipe_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below, here = tmp_path / "recipes", tmp_path / "here"
    below.mkdir()
    here.mkdir()
    (below / "base.toml").write_text(recipe_text.replace("text = {", 'text = { file = "words/tokenizer.json",'))
    (tmp_path / "mine.toml").write_text(
        'recipe = 1\nextends = "recipes/base.toml"\n[start]\nbackbone = "w"\ntext = "~/t"\n"." = "janus-mini"\n'
    )
    monkeypatch.chdir(here)
    recipe = read_recipe("../mine.toml", ['start.understanding = "eyes"'])
    assert recipe.text.config.file == str(here / "../recipes/words/tokenizer.json")
    assert recipe.start == {
        "backbone": str(here / "../w"), "text": "~/t", ".": "janus-mini", "understanding": str(here / "eyes")
    }  # fmt: skip
    (below / "resolved.toml").write_text(dumps(recipe))
    assert read_recipe(below / "resolved.toml").start == recipe.start


@pytest.mark.parametrize("name", ["a" * 300, "~nobody-of-this-name/x", "a\\u0000b", "a/" * 3000])
@pytest.mark.parametrize("part", ["backbone", "text", '"."'])
def test_a_name_that_no_directory_can_have_is_refused_where_it_is_written(
    recipe_text: str, name: str, part: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(recipe_text + f'[start]\n{part} = "{name}"\n')
    line = len(file.read_text().splitlines())
    recipe = read_recipe(file)
    plan = compose(recipe)
    with pytest.raises(StorageError) as caught:
        compared(plan, build_modules(plan, device="meta"), recipe.start)
    (problem,) = caught.value.problems
    assert str(problem.origin) == f"{file}:{line}"
    assert problem.message.startswith("there is no directory ")
    assert len(problem.message) < 300


def test_a_name_on_the_hub_is_looked_up_in_its_cache(
    recipe_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    file = tmp_path / "mine.toml"
    snapshot = tmp_path / "hub" / "models--team--Tiny" / "snapshots" / "0123abc"

    def problems_of(text: str) -> list[Problem]:
        file.write_text(recipe_text + f"[start]\n{text}\n")
        recipe = read_recipe(file)
        plan = compose(recipe)
        try:
            compared(plan, build_modules(plan, device="meta"), recipe.start)
        except StorageError as error:
            return list(error.problems)
        return []

    for name in ("team/Tiny", "hf://team/Tiny", "https://huggingface.co/team/Tiny"):
        for part in ('"."', "text", "backbone"):
            (problem,) = problems_of(f'{part} = "{name}"')
            where = f"neither a folder of this name, nor {snapshot.parents[1]} in the hub's cache"
            assert problem.message == f"there is no model '{name}': {where}"
            assert "fetch it with: hf download team/Tiny" in problem.hint
            assert str(problem.origin).startswith(f"{file}:")
    snapshot.mkdir(parents=True)
    (problem,) = problems_of('backbone = "team/Tiny"')
    assert str(snapshot) in problem.message
    plan = compose(read_recipe_text(recipe_text))
    model = build_model(plan)
    model.processor.fit(["a red circle"])
    save_model(model, snapshot)
    assert problems_of('"." = "team/Tiny"') == []
    assert read_recipe(file).start == {".": "team/Tiny"}  # the copy in a run's folder names the same model
    (tmp_path / "team" / "Tiny").mkdir(parents=True)
    problems_of('backbone = "team/Tiny"')
    begun = read_recipe(file)
    assert begun.start == {"backbone": str(tmp_path / "team" / "Tiny")}
    (tmp_path / "team" / "Tiny").rmdir()
    assert differences(begun, read_recipe(file), []) == ([], ())


def test_a_run_begins_with_them_once(recipe_text: str, quiet: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)
    first = train(
        read_recipe_text(recipe_text), tmp_path / "first", stages=["text"], until=2, device="cpu", reporter=quiet()
    )
    recipe = read_recipe_text(recipe_text + f'[start]\n"." = "{first}"\n')
    listener = quiet()
    second = train(recipe, tmp_path / "second", stages=["text"], until=1, device="cpu", reporter=listener, seed=8)
    trained, before = (load_file(folder / "model.safetensors") for folder in (second, first))
    assert torch.equal(trained["understanding.encoder.pos_embed"], before["understanding.encoder.pos_embed"])
    assert not torch.equal(trained["backbone.embed_tokens.weight"], before["backbone.embed_tokens.weight"])
    assert sum("begins with the weights" in said for said in listener.said) == 7
    assert about(second)["start"]["backbone"]["folder"] == str(first)
    assert json.loads((second / "run.json").read_text())["start"]
    again = quiet()
    train(recipe, second, stages=["text"], device="cpu", reporter=again, resume=True, seed=8)
    assert not any("begins with" in said for said in again.said)


@pytest.fixture(scope="module")
def stopped(recipe_text: str, quiet: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that ended within its second stage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)
        out = tmp_path_factory.mktemp("stopped")
        return train(read_recipe_text(recipe_text), out, until=8, device="cpu", reporter=quiet(), ahead=0)


def test_a_part_begins_with_the_float32_weights_of_a_checkpoint(recipe_text: str, stopped: Path) -> None:
    checkpoint = stopped / "checkpoints" / "step-000008"
    model = build_model(compose(read_recipe_text(recipe_text)), seed=9)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    facts = begin(model, {"understanding.encoder": str(checkpoint), "text": str(checkpoint)}, print)
    stored = load_file(checkpoint / "model.safetensors")
    for name, value in model.state_dict().items():
        expected = stored if name.startswith("understanding.encoder.") else before
        assert torch.equal(value, expected[name]), name
    finished = load_file(stopped / "model.safetensors")
    names = [name for name in stored if name.startswith("understanding.encoder.")]
    assert any(not torch.equal(stored[name], finished[name].float()) for name in names), "the model is bfloat16"
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    assert facts["understanding.encoder"]["files"] == {"model.safetensors": manifest["model.safetensors"]}
    text = (stopped / "tokenizer.json").read_bytes()
    described = {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
    assert facts["text"] == {"folder": str(stopped), "files": {"tokenizer.json": described}, "added": []}
    assert model.processor.text.fitted


def test_checkpoints_that_cannot_be_used_are_refused(recipe_text: str, stopped: Path, tmp_path: Path) -> None:
    model = build_model(compose(read_recipe_text(recipe_text)))
    checkpoint = tmp_path / "checkpoints" / "step-000008"
    shutil.copytree(stopped / "checkpoints" / "step-000008", checkpoint)
    entry = {"backbone": str(checkpoint)}
    assert "is a checkpoint outside of its run: there is no" in refusal(model, entry)
    shutil.copy(stopped / "recipe.toml", tmp_path)
    data = bytearray((checkpoint / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (checkpoint / "model.safetensors").write_bytes(data)
    assert "model.safetensors was altered after the checkpoint was written" in refusal(model, entry)
    (checkpoint / "model.safetensors").rename(checkpoint / "shard-00001-model-00001-of-00001.safetensors")
    assert "holds the shards of several processes, and no whole weights" in refusal(model, entry)


def test_a_checkpoint_with_adapters_is_refused(recipe_text: str, quiet: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)
    tuned = recipe_text.replace('train = ["backbone"]', 'lora = { on = ["backbone.layers"], rank = 2 }')
    recipe = read_recipe_text(tuned)
    train(recipe, tmp_path, stages=["text"], until=2, device="cpu", reporter=quiet(), ahead=0)
    model = build_model(compose(recipe))
    said = refusal(model, {"backbone": str(tmp_path / "checkpoints" / "step-000002")})
    assert "lora.a" in said
    print(said)
