"""Garbage is not collected within the context, and afterwards as before."""

from __future__ import annotations

import gc

import pytest
from janiform.garbage import no_collection


@pytest.mark.parametrize("collects", [False, True])
def test_collection_is_as_before(collects: bool) -> None:
    before = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        with no_collection():
            assert not gc.isenabled()
        assert gc.isenabled() == collects
        with pytest.raises(ValueError, match="any"), no_collection():
            raise ValueError("any")
        assert gc.isenabled() == collects
    finally:
        (gc.enable if before else gc.disable)()
