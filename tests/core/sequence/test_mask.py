"""Masks against a twin that loops over every pair, and attention against a softmax written out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Mask, UsageError, attend


def sees(documents: list[int], blocks: list[int], seen: list[int], q: int, k: int) -> bool:
    """The definition, for one row."""
    if q == k:
        return True
    if documents[k] < 0 or documents[q] != documents[k]:
        return False
    if seen[k] != 0 and (seen[k] < 0 or seen[k] != blocks[q]):
        return False
    return k <= q or (blocks[q] == blocks[k] and blocks[q] != 0)


def twin(
    documents: torch.Tensor, blocks: torch.Tensor, queries: int, keys: int, seen: torch.Tensor | None = None
) -> torch.Tensor:
    seen = torch.zeros_like(documents) if seen is None else seen
    rows = [
        [[sees(d, b, s, q, k) for k in range(keys)] for q in range(keys - queries, keys)]
        for d, b, s in zip(documents.tolist(), blocks.tolist(), seen.tolist(), strict=True)
    ]
    return torch.tensor(rows)[:, None]


def written_out(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    return scores.masked_fill(~seen, -torch.inf).softmax(dim=-1) @ v


@st.composite
def declarations(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Any numbers at all: more than a batch would ever hold."""
    rows, length = draw(st.integers(1, 3)), draw(st.integers(1, 9))
    matrix = lambda values: torch.tensor(  # noqa: E731 - one line, used twice
        draw(st.lists(st.lists(values, min_size=length, max_size=length), min_size=rows, max_size=rows))
    )
    seen = matrix(st.integers(-1, 2)) if draw(st.booleans()) else None
    return matrix(st.integers(-1, 2)), matrix(st.integers(0, 2)), seen


@given(declarations(), st.data())
@settings(max_examples=150, deadline=None)
def test_a_mask_is_its_definition(declared, data):
    documents, blocks, unseen = declared
    keys = data.draw(st.integers(1, documents.shape[1]))
    queries = data.draw(st.integers(1, keys))
    heads, kv_heads = data.draw(st.sampled_from([(1, 1), (4, 2), (3, 1)]))
    seen = twin(documents, blocks, queries, keys, unseen)
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(len(documents), heads, queries, 4, dtype=torch.float64, generator=generator)
    k, v = torch.randn(2, len(documents), kv_heads, keys, 4, dtype=torch.float64, generator=generator)
    given_out = attend(q, k, v, Mask(documents, blocks, seen=unseen))
    # Nobody reads what comes out at padding, and a mask that needs no tensor may put anything there, but no NaN.
    real = (documents[:, keys - queries : keys] >= 0)[:, None, :, None]
    assert given_out.isfinite().all()
    torch.testing.assert_close(given_out * real, written_out(q, k, v, seen) * real)
    # Training may take another kernel than inference does.
    learning = attend(q.requires_grad_(), k, v, Mask(documents, blocks, seen=unseen))
    assert learning.isfinite().all()
    torch.testing.assert_close(learning * real, written_out(q, k, v, seen) * real)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.integers(1, 3),
    st.integers(1, 4),
    st.booleans(),
    st.lists(st.sampled_from([-1, 0, 0, 1]), max_size=3),
)
@settings(max_examples=80, deadline=None)
def test_decoding_steps_see_what_the_whole_sequence_would(padding, text, more, image, holes):
    prompt = max(padding) + text
    documents = torch.zeros(len(padding), prompt, dtype=torch.int64)
    for row, pad in enumerate(padding):
        documents[row, :pad] = -1
    blocks = torch.zeros_like(documents)
    if image:
        blocks[:, -min(text, 2) :] = 1
    unseen = torch.zeros_like(documents)
    for place, kind in enumerate(holes[:prompt]):
        unseen[:, prompt - 1 - place] = kind
    mask = Mask.decoding(documents, blocks, length=prompt + more, seen=unseen)
    full_documents = torch.cat((documents, torch.zeros(len(padding), more, dtype=torch.int64)), dim=1)
    full_blocks = torch.cat((blocks, torch.zeros(len(padding), more, dtype=torch.int64)), dim=1)
    full_seen = torch.cat((unseen, torch.zeros(len(padding), more, dtype=torch.int64)), dim=1)
    steps = [(1, prompt + step + 1) for step in range(more)]
    for queries, keys in [(prompt, prompt), *steps, (more, prompt + more)]:
        q, k, v = torch.randn(3, len(padding), 2, keys, 4, dtype=torch.float64)
        q = q[:, :, keys - queries :]
        expected = written_out(q, k, v, twin(full_documents, full_blocks, queries, keys, full_seen))
        real = (full_documents[:, keys - queries : keys] >= 0)[:, None, :, None]
        torch.testing.assert_close(attend(q, k, v, mask) * real, expected * real)


CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "documents",
    [[[0, 0, 0, 0]], [[5, 5, 5, -1], [2, 2, 2, 2]], [[-1, -1, -1, -1]]],
    ids=["one document", "padded on the right", "nothing"],
)
def test_what_is_plainly_causal_needs_no_tensor(documents):
    mask = Mask(torch.tensor(documents), torch.zeros(len(documents), 4, dtype=torch.int64))
    assert mask.compiled(4, 4, CPU) == (None, True)
    assert Mask.decoding(torch.zeros(2, 4, dtype=torch.int64), length=9).compiled(1, 7, CPU) == (None, False)


@pytest.mark.parametrize("documents", [[[-1, 0, 0, 0]], [[0, 0, 1, 1]], [[0, -1, 0, 0]]])
def test_what_is_not_plainly_causal_has_one(documents):
    assert Mask(torch.tensor(documents)).compiled(4, 4, CPU)[0] is not None


def test_all_layers_share_one_mask_and_all_steps_one_row():
    documents = torch.tensor([[-1, 0, 0], [0, 0, 0]])
    mask = Mask(documents)
    assert mask.compiled(3, 3, CPU)[0] is mask.compiled(3, 3, CPU)[0]
    decoding = Mask.decoding(documents, length=6)
    first, second = decoding.compiled(1, 4, CPU)[0], decoding.compiled(1, 6, CPU)[0]
    assert first.shape == (2, 1, 1, 4)
    assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()


def test_wrong_declarations_are_refused():
    with pytest.raises(ValueError, match="inside documents"):
        Mask(None, torch.zeros(1, 2))
    with pytest.raises(ValueError, match="declares 3 positions, but there are 4 keys"):
        Mask(torch.tensor([[-1, 0, 0]])).compiled(4, 4, CPU)
    with pytest.raises(ValueError, match="padded on its left"):
        Mask.decoding(torch.tensor([[0, 0, -1]]), length=5)
    with pytest.raises(ValueError, match="cannot be continued up to 2"):
        Mask.decoding(torch.tensor([[0, 0, 0]]), length=2)


def test_what_is_not_seen_is_declared_inside_documents_and_is_no_run():
    with pytest.raises(ValueError, match="inside documents"):
        Mask(None, seen=torch.zeros(1, 2))
    documents = torch.zeros(1, 4, dtype=torch.int64)
    holes = Mask(documents, seen=torch.tensor([[0, -1, 0, 0]]))
    assert holes.has_holes
    assert not Mask(documents, seen=torch.zeros_like(documents)).has_holes
    with pytest.raises(UsageError, match="use the kernel sdpa"):
        holes.runs(1, 4, 4, CPU)


def test_a_block_that_is_seen_by_itself_alone_is_no_part_of_what_follows():
    """A noised picture that is also shown clean, as in BAGEL: [text, noised, noised, clean, clean, text]."""
    documents = torch.zeros(1, 6, dtype=torch.int64)
    blocks, seen = torch.tensor([[0, 1, 1, 2, 2, 0]]), torch.tensor([[0, 1, 1, 0, 0, 0]])
    allowed, _ = Mask(documents, blocks, seen=seen).compiled(6, 6, CPU)
    rows = ["100000", "111000", "111000", "100110", "100110", "100111"]
    assert allowed[0, 0].int().tolist() == [[int(one) for one in row] for row in rows]


def test_documents_are_known_where_attention_needs_none() -> None:
    """Padding on the right has no loss, though no query before it attends to it."""
    documents = torch.tensor([[0, 0, 0], [0, -1, -1]])
    mask = Mask(documents)
    assert mask.documents is None
    assert mask.declared_documents is documents
    assert Mask.causal().declared_documents is None
