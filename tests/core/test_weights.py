"""Key maps load exactly what they name, and report everything that does not fit at once."""

import pytest
import torch
from janiform import KeyMap, StorageError

NAMES = KeyMap(
    {
        "blocks.{i}.qkv": ("layers.{i}.q", "layers.{i}.k"),
        "blocks.{i}.{rest}": "layers.{i}.old.{rest}",
        "head": "head",
        "position": "position.weight",
    },
    unused=("pool.{rest}",),
    own=("count",),
    repeats={"lm_head": "head"},
)


def theirs():
    return {
        "layers.0.q": torch.ones(1, 3),
        "layers.0.k": torch.zeros(2, 3),
        "layers.0.old.mlp.fc1": torch.ones(2),
        "position.weight": torch.ones(4, 2),
        "head": torch.ones(2, 2),
        "pool.a.b": torch.ones(1),
    }


def ours():
    return {
        "blocks.0.qkv": torch.empty(3, 3),
        "blocks.0.mlp.fc1": torch.empty(2),
        "position": torch.empty(1, 4, 2),
        "head": torch.empty(2, 2),
        "count": torch.empty(1),
    }


def test_it_renames_stacks_and_reshapes():
    loaded = NAMES.load(theirs(), ours())
    assert {name: list(tensor.shape) for name, tensor in loaded.items()} == {
        "blocks.0.qkv": [3, 3],
        "blocks.0.mlp.fc1": [2],
        "position": [1, 4, 2],
        "head": [2, 2],
    }
    assert loaded["blocks.0.qkv"].tolist() == [[1, 1, 1], [0, 0, 0], [0, 0, 0]]


def test_a_repeated_tensor_must_be_the_same():
    assert NAMES.load(theirs() | {"lm_head": torch.ones(2, 2)}, ours())
    with pytest.raises(StorageError, match="lm_head is not the same as head"):
        NAMES.load(theirs() | {"lm_head": torch.zeros(2, 2)}, ours())


def test_it_reports_everything_at_once():
    state = theirs() | {"layers.0.old.mlp.fc1": torch.ones(5), "surplus": torch.ones(1)}
    del state["layers.0.k"]
    with pytest.raises(StorageError) as caught:
        NAMES.load(state, ours() | {"mystery": torch.empty(1)})
    report = str(caught.value)
    assert "blocks.0.qkv: the file lacks layers.0.k" in report
    assert "layers.0.old.mlp.fc1 has shape [5] in the file, and [2] here" in report
    assert "mystery: the file lacks mystery" in report
    assert "belong to nothing here: layers.0.q, surplus" in report or "belong to nothing here: surplus" in report
    assert len(caught.value.problems) == 4


def test_a_hole_is_one_segment_and_the_rest_is_many():
    assert NAMES.theirs("blocks.12.a.b.c") == ("layers.12.old.a.b.c",)
    assert NAMES.theirs("blocks.1") is None
    assert NAMES.theirs("xblocks.1.a") is None
    assert NAMES.is_unused("pool.x.y")
    assert not NAMES.is_unused("pool")
