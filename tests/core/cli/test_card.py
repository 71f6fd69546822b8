"""``janiform card``: what the hub's own library reads in a card, and what the files of a model record."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st
from janiform import UsageError, registry
from janiform.cli import main
from janiform.storage.card import CardSettings, model_card
from janiform.storage.card_yaml import front_matter

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    """A copy of the shipped model, which a test may change."""
    return Path(shutil.copytree(registry().models()["janus-mini"], tmp_path / "mini"))


def edit(folder: Path, **facts: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def read(text: str) -> Any:
    """The header as the hub's library reads it."""
    return ModelCard(text, ignore_metadata_errors=False).data


def test_the_hub_reads_licence_task_and_scores() -> None:
    text = model_card("janus-mini", CardSettings("someone/janus-mini"))
    facts = json.loads((registry().models()["janus-mini"] / "model.json").read_text())
    data = read(text)
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "janiform", "any-to-any")
    assert {"janiform", "siglip", "vq", "qwen3"} <= set(data.tags)
    expected = {name: score["value"] for name, score in facts["scores"]["shapes"]["scores"].items()}
    assert {one.metric_type: one.metric_value for one in data.eval_results} == expected
    assert {one.dataset_name for one in data.eval_results} == {"shapes"}
    body = text.split("---\n", 2)[2]
    for part in ("# janus-mini\n", "hf download someone/janus-mini", "guidance `1.4`", "0.919 – 0.943", "`qwen3@1`",
                 "janiform train janus-mini", facts["weights"]["sha256"], "licensed as `apache-2.0`",
                 "seed 0", "[stage.stage-3]"):  # fmt: skip
        assert part in body


def test_what_the_files_do_not_record_is_said(official: Path) -> None:
    text = model_card(official)
    for sentence in (
        "do not record how the model was trained",
        "No scores are recorded",
        "No licence is stated",
        "do not record where the weights come from",
    ):
        assert sentence in text
    assert read(text).license is None


def test_conversion_keeps_what_is_known_and_says_where_it_comes_from(
    official: Path, mini: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(official, tmp_path / "models--team--Tiny" / "snapshots" / "0a1b"))
    (source / "README.md").write_text("---\nlicense: 'MIT'\n---\n# Tiny\n\nlicense: apache-2.0\n")
    assert main(["convert", str(source), str(tmp_path / "hf"), "--to", "hf", "--name", "me/tiny-hf"]) == 0
    text = (tmp_path / "hf" / "README.md").read_text()
    data = read(text)
    assert (data.license, data.library_name) == ("mit", "transformers")
    assert "`team/Tiny, format official@1`" in text
    assert 'AutoProcessor.from_pretrained("me/tiny-hf")' in text
    assert main(["convert", str(mini), str(tmp_path / "own"), "--to", "janiform", "--license", "OTHER"]) == 0
    before, after = (json.loads((folder / "model.json").read_text()) for folder in (mini, tmp_path / "own"))
    assert after["scores"] == before["scores"]
    assert after["command"] == before["command"]
    text = (tmp_path / "own" / "README.md").read_text()
    assert read(text).license == "other"
    assert len(read(text).eval_results) == len(before["scores"]["shapes"]["scores"])
    assert "measured with other weights" not in text


def test_scores_of_other_weights_are_marked(mini: Path) -> None:
    assert "measured with other weights" not in model_card(mini)
    facts = json.loads((mini / "model.json").read_text())
    facts["scores"]["shapes"]["settings"]["weights_sha256"] = "0" * 64
    edit(mini, scores=facts["scores"])
    assert f"measured with other weights: sha256 `{'0' * 64}`" in model_card(mini)


def test_texts_of_a_model_cannot_leave_their_place(mini: Path) -> None:
    nasty = "a | b <script>alert(1)</script>\n\n# heading\n---\n``` \u202e"
    edit(mini, remark=nasty, command=nasty, versions={nasty: nasty}, git={"commit": nasty}, data={nasty: nasty})
    text = model_card(mini)
    assert "\u202e" not in text
    assert read(text).license == "apache-2.0"
    prose = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "janiform train" not in prose
    assert "# heading" in prose
    for line in prose.splitlines():
        assert not line.startswith("# heading")
        assert "<script>" not in re.sub(r"`[^`]*`", "", line)
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, 4, 5, 6), "a cell does not end early"


def test_damaged_facts_are_a_sentence_or_left_out(mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(mini, git=3, versions="x", components=[], data=None, seed="x", license=["a"], stages="all")
    assert main(["card", str(mini)]) == 0
    assert "No licence is stated" in capsys.readouterr().out
    edit(mini, scores={"shapes": {"scores": {"a": {"value": "high"}}}})
    assert main(["card", str(mini)]) == 1
    assert "model.json is damaged: 'scores'" in " ".join(capsys.readouterr().err.split())


def test_a_card_is_not_overwritten_and_settings_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "README.md"
    assert main(["card", "janus-mini", "--out", str(out)]) == 0
    assert main(["card", "janus-mini", "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    for name in ("a/b/c", "a b", "../x/y", "a/", "ä"):
        with pytest.raises(UsageError, match="is not the name of a model"):
            CardSettings(name)
    assert main(["convert", "janus-mini", str(tmp_path / "x"), "--to", "janiform", "--license", "my own"]) == 2
    assert not (tmp_path / "x").exists()


@given(st.recursive(TEXTS | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
                    lambda inner: st.lists(inner, min_size=1, max_size=3)
                    | st.dictionaries(st.from_regex(r"key_[a-z]{1,6}", fullmatch=True), inner, min_size=1, max_size=3),
                    max_leaves=8))  # fmt: skip
def test_yaml_reads_every_header_back(value: Any) -> None:
    text = front_matter({"first": 1, "value": value})
    expected = {"first": 1} if value in ("", [], {}) else {"first": 1, "value": value}
    assert next(iter(yaml.safe_load_all(text))) == expected
