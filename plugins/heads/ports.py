"""What a head gives that predicts one code a position. Torch-free."""

from __future__ import annotations

from janiform import Codes, Logits, PortMismatch


def logits_of_one(name: str, codes: Codes) -> Logits:
    """Raises ``PortMismatch`` where there are no codes, or several a position."""
    if not isinstance(codes, Codes):
        raise PortMismatch(f"head '{name}' predicts codes, but is given {codes}")
    if codes.depth != 1:
        raise PortMismatch(
            f"head '{name}' predicts one code a position, but the tokenizer gives {codes.depth} "
            "(head 'depth' predicts the levels one after the other; a tokenizer of depth 1 would fit too)"
        )
    return Logits(vocabulary=codes.vocabulary)
