"""Key maps say where every tensor is in the files, and where every tensor of the files is here."""

from __future__ import annotations

import pytest
from janiform import KeyMap
from janiform.weights import listed

NAMES = KeyMap(
    {
        "blocks.{i}.qkv": ("layers.{i}.q", "layers.{i}.k", "layers.{i}.v"),
        "blocks.{i}.gate_up": ("layers.{i}.gate", "layers.{i}.up"),
        "blocks.{i}.{rest}": "layers.{i}.old.{rest}",
        "head": "head",
        "position": "position.weight",
    },
    prefix="model.",
    shares={"blocks.{i}.qkv": (4, 1, 1)},
    squeezed=("position",),
    matrices=("blocks.{i}.attn.weight",),
    stacks={"blocks.{i}.experts": 3},
    unused={"pool.{rest}": "nothing is pooled"},
    own=("count",),
    repeats={"lm_head": "head"},
)


def test_one_tensor_is_one() -> None:
    (piece,) = NAMES.pieces("blocks.3.mlp.fc1", (2, 5)) or ()
    assert (piece.name, piece.shape, piece.rows) == ("model.layers.3.old.mlp.fc1", (2, 5), None)
    assert NAMES.pieces("blocks", (1,)) is None
    assert NAMES.pieces("count", (1,)) is None


def test_a_leading_dimension_may_be_left_out() -> None:
    (piece,) = NAMES.pieces("position", (1, 4, 2)) or ()
    assert (piece.name, piece.shape) == ("model.position.weight", (4, 2))


def test_a_convolution_may_be_a_matrix() -> None:
    (piece,) = NAMES.pieces("blocks.2.attn.weight", (4, 3, 1, 1)) or ()
    assert (piece.name, piece.shape) == ("model.layers.2.old.attn.weight", (4, 3))
    (piece,) = NAMES.pieces("blocks.2.attn.bias", (4,)) or ()
    assert piece.shape == (4,)


def test_matrices_below_one_another_may_be_a_stack() -> None:
    (piece,) = NAMES.pieces("blocks.2.experts", (12, 5)) or ()
    assert (piece.name, piece.shape, piece.rows) == ("model.layers.2.old.experts", (3, 4, 5), None)


def test_fused_tensors_divide_into_their_pieces() -> None:
    q, k, v = NAMES.pieces("blocks.0.qkv", (24, 16)) or ()
    assert [piece.name for piece in (q, k, v)] == ["model.layers.0.q", "model.layers.0.k", "model.layers.0.v"]
    assert [piece.rows for piece in (q, k, v)] == [slice(0, 16), slice(16, 20), slice(20, 24)]
    assert [piece.shape for piece in (q, k, v)] == [(16, 16), (4, 16), (4, 16)]
    gate, up = NAMES.pieces("blocks.0.gate_up", (10, 3)) or ()
    assert (gate.rows, up.rows) == (slice(0, 5), slice(5, 10))
    with pytest.raises(ValueError, match=r"blocks.0.gate_up of shape \[5, 3\] cannot be divided"):
        NAMES.pieces("blocks.0.gate_up", (5, 3))


def test_what_is_left_out_has_its_reason() -> None:
    assert NAMES.why_unused("model.pool.x.y") == "nothing is pooled"
    assert NAMES.why_unused("model.pool") == ""
    assert NAMES.why_unused("pool.x") == ""
    assert NAMES.is_own("count")
    assert NAMES.repeated("model.lm_head") == "model.head"
    assert NAMES.repeated("lm_head") == ""


def test_a_hole_is_one_segment_and_the_rest_is_many() -> None:
    assert NAMES.in_files("blocks.12.a.b.c") == ("model.layers.12.old.a.b.c",)
    assert NAMES.in_files("blocks.1") is None
    assert NAMES.in_files("xblocks.1.a") is None
    assert NAMES.below("their.").in_files("head") == ("their.head",)


def test_names_that_differ_by_their_numbers_are_told_together() -> None:
    names = ["layers.0.norm", "layers.1.norm", "layers.11.norm", "head", "res.0"]
    assert listed(names) == "layers.*.norm (3), head, res.0"
