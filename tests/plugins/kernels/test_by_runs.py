"""Kernels that go sequence by sequence: all but the operator itself, which a slow twin stands for on the CPU."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import ComponentError, KernelSupport, Mask, UsageError
from janiform.attention.attend import Attention
from janiform.testing.kernels import KERNEL_CHECKS, KernelCase, cases_of, row_declared
from janiform_plugins.kernels import sdpa, varlen
from janiform_plugins.kernels.config import SdpaConfig, VarlenConfig
from torch.nn.functional import scaled_dot_product_attention

CPU = torch.device("cpu")
HERE = KernelSupport(devices=("cpu",), learns=("cpu",), dtypes=("float64",), multiple=16)

check = pytest.mark.parametrize("check", KERNEL_CHECKS, ids=lambda check: check.__name__)


@check
@pytest.mark.parametrize("version", ["now", "torch 2.10"])
def test_varlen_around_its_operator(
    check: Callable[[KernelCase], None], version: str, twins: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(varlen, "varlen_attn", twins.varlen[version])
    attention = Attention("varlen@1", HERE, varlen.VarlenKernel(VarlenConfig()))

    @given(cases_of(attention, "cpu"))
    @settings(max_examples=10, derandomize=True)
    def run(case: KernelCase) -> None:
        check(case)

    run()


@check
@pytest.mark.parametrize("padding", [False, True])
def test_sdpa_in_groups_of_documents(
    check: Callable[[KernelCase], None], padding: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdpa, "MOVE_COST", -(1 << 40))
    if not padding:
        monkeypatch.setattr(sdpa, "CALL_COST", 0)
    serves = SdpaConfig().serves()
    attention = Attention("sdpa@1", serves, sdpa.SdpaKernel(SdpaConfig()))

    @given(cases_of(attention, "cpu"))
    @settings(max_examples=10, derandomize=True)
    def run(case: KernelCase) -> None:
        check(case)

    run()


@pytest.mark.parametrize(
    ("lengths", "calls"),
    [
        ([600, 200], [(1, 600), (1, 200)]),
        ([200, 600, 597, 603], [(3, 603), (1, 200)]),
        ([250] * 4, [(4, 250)]),
        ([30, 30], [(1, 60)]),
        (None, [(1, 600)]),
    ],
    ids=["each by itself", "about as long", "as long", "short", "in pieces"],
)
def test_sdpa_takes_documents_of_about_one_length_together_where_that_pays(
    lengths: list[int] | None, calls: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, int]] = []

    def counted(q: torch.Tensor, *others: torch.Tensor, **how: object) -> torch.Tensor:
        made.append((len(q), q.shape[2]))
        return scaled_dot_product_attention(q, *others, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(sdpa, "sdpa", counted)
    if lengths is None:
        documents = torch.tensor([0, 1, 0]).repeat_interleave(200)
    else:
        documents = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    q = torch.randn(1, 2, len(documents), 16)
    sdpa.SdpaKernel(SdpaConfig())(q, q, q, Mask(documents[None]))
    assert made == calls


@check
def test_xformers_around_its_operators(
    check: Callable[[KernelCase], None], twins: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xformers")
    from janiform_plugins.kernels import xformers
    from janiform_plugins.kernels.config import XformersConfig

    steps = []

    def forward(*args, op, **how):
        assert op is xformers.fmha.triton_splitk.FwOp
        steps.append(how["attn_bias"])
        return twins.xformers(*args, **how)

    monkeypatch.setattr(xformers.fmha, "memory_efficient_attention", twins.xformers)
    monkeypatch.setattr(xformers.fmha, "memory_efficient_attention_forward", forward)
    kernel = xformers.XformersKernel(XformersConfig())
    kernel.splits = True
    attention = Attention("xformers@1", HERE, kernel)

    @given(cases_of(attention, "cpu"))
    @settings(max_examples=10, derandomize=True)
    def run(case: KernelCase) -> None:
        check(case)

    run()
    if check.__name__ == "goes_on_from_a_cache":
        assert len(steps) > 20


def test_xformers_without_operators_says_which_torch_it_lacks_them_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xformers")
    from janiform_plugins.kernels import xformers
    from janiform_plugins.kernels.config import XformersConfig

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(xformers.xformers, "_has_cpp_library", False)
    with pytest.raises(ComponentError, match=rf"has no operators for torch {re.escape(torch.__version__)} with CUDA"):
        xformers.XformersKernel(XformersConfig())


@given(st.integers(2, 24), st.integers(1, 3), st.data())
@settings(max_examples=40, derandomize=True)
def test_the_biases_of_xformers_materialise_to_the_mask(length: int, rows: int, data: st.DataObject) -> None:
    pytest.importorskip("xformers")
    from janiform_plugins.kernels.xformers import block_diagonal

    documents, blocks = (
        torch.tensor(some) for some in zip(*(data.draw(row_declared(length)) for _ in range(rows)), strict=True)
    )
    queries = data.draw(st.integers(1, length))
    mask = Mask(documents, blocks)
    declared = torch.zeros(rows * queries, rows * length, dtype=torch.bool)
    for some in mask.runs(rows, queries, length, CPU):
        bias = block_diagonal(some)
        seen = bias.materialize((sum(some.query_lengths), sum(some.key_lengths))) == 0
        at = torch.arange(rows * queries) if some.queries is None else some.queries
        keys = torch.arange(rows * length) if some.keys is None else some.keys
        for number, query in enumerate(at.tolist()):
            declared[query, keys[seen[number]]] = True
    expected, _ = mask.compiled(queries, length, CPU)
    if expected is None:
        expected = torch.ones(queries, length, dtype=torch.bool).tril(length - queries)[None, None]
    for row in range(rows):
        own = declared[row * queries : (row + 1) * queries, row * length : (row + 1) * length]
        real = documents[row, length - queries :] >= 0
        wanted = expected[min(row, len(expected) - 1), 0]
        assert torch.equal(own[real], wanted[real])
    assert int(declared.sum()) == sum(
        int(declared[row * queries : (row + 1) * queries, row * length : (row + 1) * length].sum())
        for row in range(rows)
    )  # no row sees another's keys


def test_without_blocks_nothing_is_moved_and_with_them_keys_are_shared() -> None:
    packed = Mask(torch.tensor([[0, 0, 1, 1, 1, -1], [0, 0, 0, 0, 1, 1]]))
    (runs,) = packed.runs(2, 6, 6, CPU)
    assert (runs.queries, runs.keys) == (None, None)
    assert runs.query_lengths == runs.key_lengths == (2, 3, 1, 4, 2)
    assert packed.runs(2, 6, 6, CPU)[0] is runs
    full = Mask(torch.tensor([[0] * 6]), torch.tensor([[0, 0, 1, 1, 0, 0]]))
    causal, block = full.runs(1, 6, 6, CPU)
    assert (causal.query_lengths, causal.key_lengths) == ((2, 2), (2, 6))
    assert (block.query_lengths, block.key_lengths) == ((2,), (4,))
    assert block.keys is not None
    assert block.keys.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("documents", "blocks", "sentence"),
    [
        ([[0, 1, 0]], [[0, 0, 0]], "document 0 in row 0 is not contiguous"),
        ([[0, 0, 0]], [[1, 0, 1]], "block 1 of document 0 in row 0 is not contiguous"),
    ],
)
def test_what_is_scattered_is_refused(documents: list, blocks: list, sentence: str) -> None:
    mask = Mask(torch.tensor(documents), torch.tensor(blocks))
    with pytest.raises(UsageError, match=sentence):
        mask.runs(1, 3, 3, CPU)


def test_steps_of_decoding_share_what_lies_on_the_device() -> None:
    pytest.importorskip("xformers")
    from janiform_plugins.kernels.xformers_decoding import Steps

    mask = Mask.decoding(torch.tensor([[-1, 0, 0], [0, 0, 0]]), length=8)
    steps = Steps(mask, rows=2, kv_heads=2, length=9, device=CPU)
    biases = [steps.bias(keys) for keys in (4, 5, 8)]
    assert len({bias.k_seqinfo.seqstart.data_ptr() for bias in biases}) == 1
    assert len({bias.k_seqinfo.seqlen.untyped_storage().data_ptr() for bias in biases}) == 1
    assert [bias.k_seqinfo.seqlen.tolist() for bias in biases] == [[3, 3, 4, 4], [4, 4, 5, 5], [7, 7, 8, 8]]
    assert steps.bias(8) is biases[2]
    with pytest.raises(ValueError, match="declares 8 positions, but there are 9 keys"):
        steps.bias(9)
