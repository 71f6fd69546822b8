"""``janiform convert``: round trips that keep every bit, directories that other tools read, refusals with reasons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from janiform import (
    CompositionError,
    Conversation,
    Look,
    Mask,
    StorageError,
    Turn,
    UsageError,
    left_out,
    open_model,
    read_recipe,
    weight_files,
)
from janiform.cli import main
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.storage.convert import convert
from janiform.storage.digest import files_digest
from janiform.storage.save import save_model
from janiform.storage.tensor_files import TensorEntry
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    JanusForConditionalGeneration,
)

LEFT_OUT = ("vision_model.vision_tower.attn_pool.", "gen_vision_model.quantize.codebook_used")


@pytest.fixture(scope="module")
def hf(official: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("converted") / "hf"
    unread = left_out(official)
    assert {name for name in weight_files(official).tensors if name.startswith(LEFT_OUT)} == unread.keys()
    assert all(unread.values())
    assert main(["convert", str(official), str(folder), "--to", "hf"]) == 0
    return folder


def values(folder: Path) -> dict[str, torch.Tensor]:
    files = weight_files(folder)
    return {
        name: torch.cat([part.clone() for _, part in files.rows(name)])
        for name, stored in files.tensors.items()
        if stored.shape
    }


def test_a_round_trip_keeps_every_bit(official: Path, hf: Path, tmp_path: Path) -> None:
    convert(hf, tmp_path / "own", "janiform")
    convert(tmp_path / "own", tmp_path / "official", "official")
    before, after = values(official), values(tmp_path / "official")
    assert after.keys() == {name for name in before if not name.startswith(LEFT_OUT)}
    assert all(
        torch.equal(tensor, before[name]) and tensor.dtype == before[name].dtype for name, tensor in after.items()
    )
    convert(tmp_path / "official", tmp_path / "again", "hf")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (hf / "model.safetensors").read_bytes()
    assert (tmp_path / "again" / "config.json").read_text() == (hf / "config.json").read_text()
    recipes = [open_model(folder).plan.recipe for folder in (official, tmp_path / "official", hf)]
    assert recipes[0] == recipes[1]
    assert recipes[0].pathways == recipes[2].pathways
    assert recipes[0].layout == recipes[2].layout


def test_transformers_opens_the_export_alone(hf: Path, official_model: object) -> None:
    theirs, report = JanusForConditionalGeneration.from_pretrained(hf, output_loading_info=True)
    assert not any(report.values())
    assert not theirs.config.tie_word_embeddings
    ids = torch.tensor([[760, 5, 6, 7, 100, 200, 763]])
    backbone = official_model.part("backbone")
    with torch.no_grad():
        expected = theirs.eval()(ids).logits
        hidden = backbone(backbone.embed(ids), torch.arange(7)[None], Mask.causal())
        given = backbone.logits(hidden)
    assert (given - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_the_auto_classes_of_transformers_open_the_export_and_look_at_pictures_alike(hf: Path) -> None:
    processor, theirs = AutoProcessor.from_pretrained(hf), AutoModelForImageTextToText.from_pretrained(hf).eval()
    assert isinstance(theirs, JanusForConditionalGeneration)
    assert type(AutoModel.from_pretrained(hf)).__name__ == "JanusModel"
    ours = open_model(hf)
    chance = np.random.default_rng(0)
    side = ours.plan.parts["understanding.encoder"].use.config.image_size
    for question, count in (("What is this?", 1), ("Which one is brighter?", 2), ("Hello.", 0)):
        pixels = [chance.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(count)]
        content = [*({"type": "image"} for _ in pixels), {"type": "text", "text": question}]
        text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        pictures = {"images": [Image.fromarray(one) for one in pixels]} if pixels else {}
        inputs = processor(text=[text], **pictures, return_tensors="pt")
        turn = Turn("user", (*map(Look, pixels), question))
        batch = ours.processor.collate([ours.processor.sequence(Conversation((turn,)), answer=False)])
        assert torch.equal(inputs["input_ids"], batch.ids)
        with torch.no_grad():
            expected = theirs(**inputs).logits
            given = ours.backbone.logits(ours.hidden(batch))
        assert (given - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("layout", ["hf", "official", "janiform"])
def test_shards_round_trip_and_open_in_transformers(official: Path, hf: Path, tmp_path: Path, layout: str) -> None:
    folder = tmp_path / "sharded"
    assert main(["convert", str(official), str(folder), "--to", layout, "--shard-size", "2MB"]) == 0
    shards = sorted(path.name for path in folder.glob("*.safetensors"))
    assert len(shards) > 3
    assert shards[0] == f"model-00001-of-{len(shards):05d}.safetensors"
    convert(folder, tmp_path / "again", "hf")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (hf / "model.safetensors").read_bytes()
    if layout == "hf":
        theirs, report = JanusForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
        assert not any(report.values())
        whole = JanusForConditionalGeneration.from_pretrained(hf).state_dict()
        assert all(torch.equal(tensor, whole[name]) for name, tensor in theirs.state_dict().items())


def test_a_few_rows_are_read_at_a_time(official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("janiform.storage.weight_files._CHUNK", 4096)
    largest = max(
        stored.nbytes // stored.shape[0] for stored in weight_files(official).tensors.values() if stored.shape
    )
    held: list[int] = []
    made = TensorEntry.__init__

    def watched(self: TensorEntry, shape: Any, dtype: Any, rows: Any) -> None:
        made(self, shape, dtype, lambda: (held.append(values.nbytes) or values for values in rows()))

    monkeypatch.setattr(TensorEntry, "__init__", watched)
    convert(official, tmp_path / "hf", "hf")
    assert sum(held) > 100 * max(held)
    assert max(held) <= max(1 << 15, largest)


def test_weights_that_are_no_numbers_are_not_written(official: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    convert(official, source, "official")
    state = load_file(source / "model.safetensors")
    state["gen_embed.weight"][3, 2] = float("nan")
    state["language_model.lm_head.weight"][1, 0] = float("inf")
    save_file(state, source / "model.safetensors")
    for layout in ("hf", "janiform"):
        with pytest.raises(StorageError) as caught:
            convert(source, tmp_path / layout, layout)
        assert {problem.path for problem in caught.value.problems} == {"generation.embedding", "backbone"}
        assert not list((tmp_path / layout).glob("*"))


def test_our_own_shards_open_are_checked_and_told_from_others(
    official: Path, official_model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "own"
    convert(official, folder, "janiform", shard_size=10**6)
    theirs, ours = official_model.state_dict(), open_model(folder).state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in theirs.items())
    shards = sorted(folder.glob("*.safetensors"))
    assert main(["check", str(folder)]) == 0
    assert f"tensors in {len(shards)} files" in " ".join(capsys.readouterr().out.split())
    said = json.loads((folder / "model.json").read_text())["weights"]
    assert said["bytes"] == sum(shard.stat().st_size for shard in shards)
    assert said["sha256"] == files_digest(shards)
    *kept, last = shards[1].read_bytes()
    shards[1].write_bytes(bytes([*kept, last ^ 1]))
    with pytest.raises(StorageError, match=rf"{shards[1].name} was altered"):
        open_model(folder)
    shards[2].unlink()
    assert main(["check", str(folder)]) == 1
    assert f"lists the shard {shards[2].name} with 36 tensors, but the file is missing" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_shard_size_that_cannot_be(official: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(official), str(tmp_path / "x"), "--to", "hf", "--shard-size", "5 apples"]) == 2
    assert "is not a valid size" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_the_export_speaks_to_its_model_as_the_original_does(official: Path, hf: Path) -> None:
    processor, tokenizer = AutoProcessor.from_pretrained(hf), AutoTokenizer.from_pretrained(hf)
    assert (processor.num_image_tokens, processor.use_default_system_prompt) == (16, True)
    assert (tokenizer.image_token, tokenizer.boi_token, tokenizer.pad_token_id) == (
        "<image_placeholder>", "<begin_of_image>", 762,
    )  # fmt: skip
    for entry in json.loads((official / "expected_processor.json").read_text())["conversations"]:
        turns = [turn for turn in entry["conversation"] if turn["content"]]
        messages = [{"role": turn["role"].strip("<|>").lower(), "content": turn["content"]} for turn in turns]
        said = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert entry["sft_format"].endswith(said)


def test_what_a_layout_cannot_say_is_refused(tmp_path: Path) -> None:
    sizes = [f"backbone.{name} = {size}" for name, size in (("width", 32), ("inner", 48), ("layers", 1), ("heads", 2))]
    likewise = ['backbone.use = "llama"', 'understanding.adapter = { use = "mlp", depth = 2 }', *sizes]
    model = build_model(compose(read_recipe("janus-mini", likewise)))
    model.processor.fit(["a red circle"] * 3)
    folder = save_model(model, tmp_path / "model")
    for layout in ("hf", "official"):
        with pytest.raises(CompositionError) as caught:
            convert("janus-mini", tmp_path / layout, layout)
        assert f"backbone: format '{layout}' has 'llama' here, but the recipe has 'qwen3'" in str(caught.value)
        with pytest.raises(CompositionError) as caught:
            convert(str(folder), tmp_path / layout, layout)
        said = str(caught.value)
        assert f"generation.tokenizer.groups: is 1, but is always 32 in format '{layout}'" in said
        assert f"generation.tokenizer.attention: is False, but is always True in format '{layout}'" in said
        assert not (tmp_path / layout).exists()


def test_unfinished_files_of_a_killed_process_are_removed(official: Path, tmp_path: Path) -> None:
    target = tmp_path / "new"
    (target / ".writing-a").mkdir(parents=True)
    (target / ".writing-a" / "model.safetensors").write_bytes(bytes(9))
    convert(official, target, "janiform")
    assert not (target / ".writing-a").exists()


def test_what_is_there_is_not_overwritten(official: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(UsageError, match="exists already"):
        convert(official, tmp_path, "janiform")
    assert main(["convert", str(official), str(tmp_path / "x"), "--to", "officially"]) == 1
