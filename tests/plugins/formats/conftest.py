"""Folders as transformers writes them: random weights, and a text tokenizer of single characters."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import StorageError, open_model
from mapped_weights import load_both, map_small_weights
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers


@pytest.fixture(autouse=True)
def mapped_weights_are_those_that_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every directory that a test here opens is also opened with weights that stay in their files."""
    map_small_weights(monkeypatch)
    monkeypatch.setattr("janiform.storage.open.load_parts", load_both)


@pytest.fixture(scope="session")
def write_text() -> Callable[..., dict[str, int]]:
    """``write_text(folder, {"<s>": 0}, 100, {"bos_token": "<s>"})``: the id of a character is its code point + 100.

    Gives the ids of all tokens.
    """

    def write(folder: Path, special: Mapping[str, int], first: int, names: Mapping[str, Any]) -> dict[str, int]:
        letters = {"Ġ": 32, "Ċ": 10} | {chr(code): code for code in range(33, 127)}
        vocabulary = {letter: first + code for letter, code in letters.items()} | dict(special)
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps(names))
        return vocabulary

    return write


@pytest.fixture(scope="session")
def randomise() -> Callable[[Any, int], Any]:
    """Also what starts as zeros and ones, and the statistics of norms, so that a swapped tensor shows."""

    @torch.no_grad()
    def fill(module: Any, seed: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                weight = tensor.dim() > 1 and "_norm" not in name
                values = torch.randn(tensor.shape, generator=generator)
                scale = tensor[0].numel() ** -0.5 if weight else 0.2
                shift = 0.0 if weight else 0.7
                tensor.copy_(
                    (values * scale + shift).abs() + 0.1 if name.endswith("running_var") else values * scale + shift
                )
        return module.eval()

    return fill


@pytest.fixture(scope="session")
def assert_exact() -> Callable[[torch.Tensor, torch.Tensor], None]:
    def check(given: torch.Tensor, expected: torch.Tensor) -> None:
        torch.testing.assert_close(given, expected, rtol=0, atol=1e-5 * max(expected.abs().max().item(), 1e-3))

    return check


@pytest.fixture(scope="session")
def change() -> Callable[..., None]:
    """Edit a JSON file of a folder."""

    def edit(folder: Path, edit: Callable[[Any], Any], name: str = "config.json") -> None:
        content = json.loads((folder / name).read_text())
        edit(content)
        (folder / name).write_text(json.dumps(content))

    return edit


@pytest.fixture(scope="session")
def assert_told() -> Callable[..., None]:
    """``assert_told(folder, "backbone", missing="a", surplus="b")``: opening names both tensors, and the part."""

    def check(folder: Path, part: str, missing: str, surplus: str) -> None:
        with pytest.raises(StorageError) as raised:
            open_model(folder)
        sentences = {problem.message: problem.path for problem in raised.value.problems}
        assert sentences.pop(f"the files lack {missing}") == part
        assert any(surplus in sentence for sentence in sentences)

    return check
