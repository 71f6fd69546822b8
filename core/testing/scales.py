"""Conformance tests of parts for codes of several scales, which are drawn one scale after the other."""

from __future__ import annotations

from itertools import accumulate, pairwise

import torch

from ..ports import Codes
from .calls import call, near
from .case import ROWS, Case, require


def decodes_its_first_scales(case: Case) -> None:
    """``decode`` and ``vectors`` of a tokenizer with scales take the codes of the first scales as well."""
    port = case.gives
    if not port.scales:
        return
    module, codes = case.build(), case.codes()
    vectors = call(case, module, "vectors", codes)
    for number, stop in enumerate(accumulate(scale.size for scale in port.scales), start=1):
        pixels = call(case, module, "decode", codes[:, :stop])
        require(
            list(pixels.shape) == [ROWS, *case.pixels] and bool(pixels.isfinite().all()),
            f"{case.name}: `decode` gave {list(pixels.shape)} for the codes of the first {number} of "
            f"{len(port.scales)} scales, expected finite pixels {[ROWS, *case.pixels]}: unfinished pictures are "
            "decoded so",
        )
        require(
            near(call(case, module, "vectors", codes[:, :stop]), vectors[:, :stop], 1e-6),
            f"{case.name}: `vectors` gives other vectors for the codes of the first {number} scales than for those "
            "of all",
        )


def embeds_earlier_scales_only(case: Case) -> None:
    """At the places of a scale, an embedding with ``by_scales`` shows all earlier scales, and none of its own codes.

    It gives the same for the codes of the first scales, while those after them are not drawn yet.
    """
    port = case.ports.get("drawn")
    if not isinstance(port, Codes) or not port.scales:
        return
    module, codes = case.build(), case.codes()
    whole = call(case, module, "forward", codes)
    edges = [0, *accumulate(scale.size for scale in port.scales)]
    for number, (start, stop) in enumerate(pairwise(edges), start=1):
        changed = codes.clone()
        changed[:, start:] = (changed[:, start:] + 1) % port.vocabulary
        require(
            near(call(case, module, "forward", changed)[:, :stop], whole[:, :stop], 1e-6),
            f"{case.name}: the vectors at scale {number} depend on codes of this scale or later ones, which are "
            "predicted there",
        )
        require(
            near(call(case, module, "forward", codes[:, :stop]), whole[:, :stop], 1e-6),
            f"{case.name}: gives other vectors for the codes of the first {number} scales than for those of all",
        )
        if number > 1:
            changed = codes.clone()
            changed[:, edges[number - 2] : start] = (changed[:, edges[number - 2] : start] + 1) % port.vocabulary
            require(
                not torch.equal(call(case, module, "forward", changed)[:, start:stop], whole[:, start:stop]),
                f"{case.name}: the vectors at scale {number} do not depend on the codes of scale {number - 1}",
            )
        if callable(getattr(module, "again", None)):
            own = call(case, module, "again", codes[:, :stop])
            require(
                list(own.shape) == [ROWS, stop - start, case.gives.width],
                f"{case.name}: `again` gave {list(own.shape)} for the {stop - start} places of scale {number}, "
                f"expected {[ROWS, stop - start, case.gives.width]}",
            )
