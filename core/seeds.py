"""Seeds by name: each purpose has a seed of its own, which does not depend on what else was drawn before."""

from __future__ import annotations

import json
from hashlib import sha256


def derived_seed(*words: str | int) -> int:
    """The seed, 0 to 2**63 - 1, of a purpose that words and numbers name; the same on every machine.

    It is taken from the SHA-256 of the words as JSON, so ``("a", "b")``, ``("ab",)``, ``1`` and ``"1"`` differ.
    """
    return int.from_bytes(sha256(json.dumps(words, separators=(",", ":")).encode()).digest()[:8]) >> 1
