"""What people type for a model: names, folders, files, names on the hub. It opens, or the sentence says what would."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from janiform import UsageError, open_model
from janiform.storage.contents import recipe_of
from janiform.storage.locate import model_folder

NAME = "deepseek-ai/Janus-Tiny"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, which ``HF_HOME`` names; the working directory is elsewhere."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "home" / "hub").mkdir(parents=True)
    return tmp_path / "home" / "hub"


@pytest.fixture
def model(cache: Path, official: Path) -> Path:
    """The folder of a model in the cache, as the hub's library lays it out: links to files by their digests."""
    folder = cache / "models--deepseek-ai--Janus-Tiny"
    snapshot = folder / "snapshots" / "0123abc"
    (folder / "refs").mkdir(parents=True)
    (folder / "blobs").mkdir()
    snapshot.mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123abc")
    for number, file in enumerate([*sorted(official.glob("*.json")), official / "pytorch_model.bin"]):
        shutil.copy(file, folder / "blobs" / str(number))
        (snapshot / file.name).symlink_to(Path("../../blobs") / str(number))
    return folder


def refused(name: str | Path) -> str:
    with pytest.raises(UsageError) as caught:
        model_folder(name)
    with pytest.raises(UsageError):
        recipe_of(str(name))
    return str(caught.value)


@pytest.mark.parametrize(
    "text", [NAME, f"https://huggingface.co/{NAME}", f"https://hf.co/{NAME}/tree/main", f"hf://{NAME}"]
)
def test_a_cached_model_opens_by_its_name(model: Path, text: str) -> None:
    snapshot = model / "snapshots" / "0123abc"
    assert model_folder(text) == snapshot
    assert recipe_of(text)[1] == snapshot
    assert open_model(text, parts=("generation.head",)).plan.recipe.name == "janus"


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"])
def test_the_cache_is_where_the_variables_say(model: Path, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {"HF_HUB_CACHE": "x", "HF_HOME": "x/hub", "XDG_CACHE_HOME": "x/huggingface/hub"}
    cache = model.parents[2] / "elsewhere" / places[variable]
    cache.parent.mkdir(parents=True)
    model.parent.rename(cache)
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv(variable, str(model.parents[2] / "elsewhere" / "x"))
    assert model_folder(NAME) == cache / model.name / "snapshots" / "0123abc"


def test_a_model_that_is_not_cached_says_how_to_fetch_it(cache: Path) -> None:
    message = refused("deepseek-ai/Janus-Pro-1B")
    assert "there is no model 'deepseek-ai/Janus-Pro-1B'" in message
    assert f"{cache / 'models--deepseek-ai--Janus-Pro-1B'} in the hub's cache" in message
    assert "hf download deepseek-ai/Janus-Pro-1B; then it opens by this name" in message


def test_a_name_without_its_owner_is_found_in_the_cache(model: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'deepseek-ai/Janus-Tiny', in the hub's cache"):
        model_folder("janus-tiny")


def test_folders_of_the_cache(model: Path) -> None:
    assert model_folder(model) == model / "snapshots" / "0123abc"
    assert recipe_of(str(model))[1] == model / "snapshots" / "0123abc"
    for cache in (model.parent, model.parents[1]):
        message = refused(cache)
        assert f"{cache} is a cache of the Hugging Face hub, not a model" in message
        assert f"give one of the models in it: {NAME}" in message
    (model / "refs" / "main").unlink()
    assert model_folder(NAME) == model / "snapshots" / "0123abc"
    (model / "snapshots" / "456").mkdir()
    assert f"{model} holds 2 snapshots of {NAME}" in refused(NAME)
    shutil.rmtree(model / "snapshots")
    (model / "snapshots").mkdir()
    assert f"fetch it with: hf download {NAME}" in refused(NAME)


def test_links_to_nothing_are_named(model: Path, tmp_path: Path) -> None:
    snapshot = model / "snapshots" / "0123abc"
    (model / "blobs" / "0").unlink()
    file = next(path for path in snapshot.iterdir() if path.readlink().name == "0")
    message = refused(NAME)
    assert f"{snapshot}: {file.name} is a link to ../../blobs/0, which does not exist" in message
    assert f"hf download {NAME}" in message
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match=f"link' is a link to {tmp_path / 'gone'}, which does not exist"):
        model_folder(tmp_path / "link")


def test_a_file_of_weights_names_its_folder(official: Path, tmp_path: Path) -> None:
    message = refused(official / "pytorch_model.bin")
    assert "is a file of weights, and a model is a folder" in message
    assert f"give its folder: {official}" in message
    (tmp_path / "x.safetensors").write_bytes(b"")
    assert "give a folder with its config" in refused(tmp_path / "x.safetensors")


def test_a_folder_of_adapters_names_the_command_that_merges_them(tmp_path: Path) -> None:
    config = {"peft_type": "LORA", "base_model_name_or_path": NAME}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    message = refused(tmp_path)
    assert f"{tmp_path} holds low-rank adapters, not a whole model" in message
    assert f"janiform convert {NAME} NEW --to FORMAT --adapters {tmp_path}" in message


def test_a_folder_that_holds_models_names_them(official: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny").symlink_to(official)
    assert f"is not a model, but holds some (give one of them: {tmp_path / 'tiny'})" in refused(tmp_path)


def test_weights_without_a_config_are_told(official: Path, tmp_path: Path) -> None:
    shutil.copy(official / "pytorch_model.bin", tmp_path)
    assert "it has files of weights, but no config.json" in refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[1]", '{"model_type": "janus"}'.encode("utf-16"), b'{"a": "\xe9"}'])
def test_a_config_that_cannot_be_read_is_the_reason_why_a_folder_is_not_a_model(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"config\.json: is damaged"):
        model_folder(tmp_path)
