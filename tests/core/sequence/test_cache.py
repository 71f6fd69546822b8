"""The cache gives back what was put in, and says so when it is full."""

import pytest
import torch
from janiform import JaniformError, KVCache


def test_it_gives_everything_appended_so_far_in_one_allocation():
    cache = KVCache(layers=2, rows=3, kv_heads=2, length=7, head_width=4)
    assert cache.nbytes == 2 * 2 * 3 * 2 * 7 * 4 * 4
    keys, values = torch.randn(2, 2, 3, 2, 7, 4)
    memory = cache.keys.data_ptr()
    for start, stop in ((0, 4), (4, 5), (5, 7)):
        for layer in range(2):
            got = cache.append(layer, keys[layer, :, :, start:stop], values[layer, :, :, start:stop])
            assert torch.equal(got[0], keys[layer, :, :, :stop])
            assert torch.equal(got[1], values[layer, :, :, :stop])
            assert got[0].untyped_storage().data_ptr() == memory
        cache.advance(stop - start)
        assert cache.filled == stop
    cache.reset()
    assert cache.filled == 0
    assert cache.keys.data_ptr() == memory


def test_it_refuses_what_does_not_fit():
    cache = KVCache(layers=1, rows=2, kv_heads=1, length=4, head_width=2)
    cache.append(0, torch.zeros(2, 1, 3, 2), torch.zeros(2, 1, 3, 2))
    cache.advance(3)
    with pytest.raises(JaniformError, match="holds 4 positions, of which 3 are filled, and 2 more do not fit"):
        cache.append(0, torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 2))
    with pytest.raises(JaniformError, match="allocated for 2 rows; got 3"):
        cache.append(0, torch.zeros(3, 1, 1, 2), torch.zeros(3, 1, 1, 2))


def test_it_keeps_its_own_precision():
    cache = KVCache(layers=1, rows=1, kv_heads=1, length=2, head_width=2, dtype=torch.bfloat16)
    keys, _ = cache.append(0, torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2))
    assert keys.dtype == torch.bfloat16


def test_it_forgets_all_but_the_first_positions_and_goes_on_from_there():
    cache = KVCache(layers=2, rows=1, kv_heads=1, length=6, head_width=2)
    kept, tried, last = torch.randn(3, 1, 1, 3, 2)
    for new in (kept, tried, last):
        for layer in range(2):
            keys, values = cache.append(layer, new, -new)
            assert torch.equal(keys, torch.cat((kept, new), dim=2) if new is not kept else kept)
            assert torch.equal(values, -keys)
        cache.advance(3)
        cache.rewind(3)
        assert cache.filled == 3
    cache.rewind(3)
    for wrong in (4, -1):
        with pytest.raises(JaniformError, match=f"has 3 positions filled and cannot keep {wrong} of them"):
            cache.rewind(wrong)


def test_a_part_shares_the_memory_of_its_rows_and_counts_by_itself():
    cache = KVCache(layers=1, rows=3, kv_heads=1, length=4, head_width=2)
    whole = torch.randn(3, 1, 2, 2)
    cache.append(0, whole, -whole)
    cache.advance(2)
    part = cache.part(slice(1, 3))
    assert (part.rows, part.filled, part.length) == (2, 2, 4)
    new = torch.randn(2, 1, 1, 2)
    keys, values = part.append(0, new, new)
    assert torch.equal(keys[:, :, :2], whole[1:])
    assert torch.equal(values[:, :, 2:], new)
    part.advance(1)
    assert (part.filled, cache.filled) == (3, 2)
    assert torch.equal(cache.keys[0, 1:, :, 2:3], new)
    part.rewind(2)
    assert torch.equal(part.keys[0, :, :, :2], whole[1:])
