"""The conformance test of embeddings of codes that hide places. B pictures    N codes of a picture    d depth"""

from __future__ import annotations

import torch

from ..ports import Codes
from ..sequence.corruption import Corrupted
from .calls import call, near
from .case import Case, require

_CODES = 8
"""The most codes whose vectors are compared with that of hidden places."""


def ignores_what_is_hidden(case: Case) -> None:
    """An embedding that ``hides`` gives hidden places the same vector whatever their codes are, −1 included."""
    if not getattr(case.config, "hides", False) or not isinstance(case.ports["drawn"], Codes):
        return
    module, codes = case.build(), case.codes()
    hidden = torch.rand(codes.shape[:2], generator=torch.Generator().manual_seed(case.seed)) < 0.5
    hidden[:, 0], hidden[:, -1] = True, False
    whole = call(case, module, "forward", codes, first=0, corrupted=Corrupted(hidden=torch.zeros_like(hidden)))
    require(
        near(whole, call(case, module, "forward", codes), 1e-6),
        f"{case.name}: embeds a picture of which nothing is hidden in another way than a complete one",
    )
    vectors = call(case, module, "forward", codes, first=0, corrupted=Corrupted(hidden=hidden))
    for other in (codes.flip(0), torch.full_like(codes, -1)):
        spoiled = torch.where(hidden[..., None], other, codes)
        again = call(case, module, "forward", spoiled, first=0, corrupted=Corrupted(hidden=hidden))
        require(near(again, vectors, 1e-6), f"{case.name}: the vectors depend on the codes of hidden places")
    require(
        near(vectors[~hidden], whole[~hidden], 1e-6),
        f"{case.name}: the vectors of places that are not hidden depend on others",
    )
    port = case.ports["drawn"]
    for code in range(min(port.vocabulary, _CODES)):
        plain = call(case, module, "forward", torch.full_like(codes, code))
        require(
            not near(vectors[hidden], plain[hidden], 1e-6),
            f"{case.name}: hidden places have the vectors of code {code}, so that they cannot be told from it",
        )
