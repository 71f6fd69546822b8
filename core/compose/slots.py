"""Which port method each kind answers, what its factory takes, and which parts a pathway is made of."""

from __future__ import annotations

from attrs import frozen

from ..ports import Codes, Features, Hidden, Logits, Port


@frozen
class Slot:
    """One kind's place: the config method that declares its port, the ports it is given, by name, and what it gives."""

    method: str
    takes: tuple[str, ...]
    gives: type[Port]


SLOTS = {
    "backbone": Slot("hidden", (), Hidden),
    "encoder": Slot("features", (), Features),
    "tokenizer": Slot("codes", (), Codes),
    "embedding": Slot("embed", ("codes", "hidden"), Features),
    "adapter": Slot("adapt", ("source", "hidden"), Features),
    "head": Slot("predict", ("hidden", "codes"), Logits),
}
"""The kinds that have ports and weights. The others (text, layout, sampler) are configured, never connected."""

LOOK_THROUGH_ENCODER = ("encoder", "adapter")
LOOK_THROUGH_CODES = ("tokenizer", "embedding", "adapter")
DRAW = ("tokenizer", "embedding", "adapter", "head", "sampler")

VERBS = {"look": "looks", "draw": "draws"}
