"""A component with settings and ports, from which modules are made and fed.

B rows or pictures    N tokens of a picture    d depth of a code    T positions    H hidden width
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import torch
from attrs import evolve, field, frozen
from PIL import Image
from torch import Tensor, nn

from ..components.component import Component
from ..components.kinds import KINDS
from ..components.registry import registry
from ..ports import Codes, Features, Grid, Hidden, Port, PortMismatch

ROWS = 3
"""Of a batch; more than two, so that no row is first and last at once."""


class Failure(AssertionError):  # noqa: N818 - what pytest calls it
    """A promise that is not kept, said to the author of the part."""


def demand(kept: bool, sentence: str) -> None:
    """Raise ``Failure`` with the sentence unless the promise is kept."""
    if not kept:
        raise Failure(sentence)


@frozen
class Case:
    """One component with one choice of settings and of what it is connected to.

    ``settings`` are the fields of its config, ``ports`` what its factory is given beside the config; ``seed`` decides
    all weights and inputs.
    """

    component: Component
    config: Any
    ports: Mapping[str, Port]
    seed: int
    settings: Mapping[str, Any] = field(factory=dict)

    @classmethod
    def made(cls, kind: str, name: str, settings: Mapping[str, Any], seed: int) -> Case:
        """Ports are drawn from the seed, a depth of codes that the part refuses being 1 instead.

        Raises what the config raises for its settings.
        """
        component = registry().find(kind, name)
        config = component.config(**settings)
        if KINDS[kind].gives is None:
            return cls(component, config, {}, seed, settings)
        takes = KINDS[kind].takes
        case = cls(component, config, _ports(takes, seed), seed, settings)
        try:
            case.gives  # noqa: B018 - asked for what it raises
        except PortMismatch:
            return evolve(case, ports=_ports(takes, seed, depths=(1,)))
        return case

    @property
    def kind(self) -> str:
        return self.component.kind

    @property
    def name(self) -> str:
        """How sentences call the part."""
        said = ", ".join(f"{key} = {value!r}" for key, value in self.settings.items())
        return f"{self.kind} '{self.component.name}'" + (f" with {said}" if said else "")

    @property
    def gives(self) -> Any:
        """The port that the config declares. Raises ``PortMismatch`` where it refuses what it is given."""
        return getattr(self.config, KINDS[self.kind].port_method)(*self.ports.values())

    def build(self, device: str = "cpu", dtype: torch.dtype | None = None) -> nn.Module:
        """A module of its own, the same each time."""
        torch.manual_seed(self.seed)
        with torch.device(device):
            module = self.component.load()(self.config, *self.ports.values())
            lender = _Lender(self._hidden) if callable(getattr(module, "borrow", None)) else None
        demand(
            isinstance(module, nn.Module),
            f"{self.name}: the factory gave {type(module).__name__}, not a torch.nn.Module",
        )
        module.eval().requires_grad_(False)
        if lender is not None:
            module.borrow(lender if dtype is None else lender.to(dtype=dtype))
            demand(
                not {*lender.parameters()} & {*module.parameters()},
                f"{self.name}: keeps the backbone among its own weights; borrow it by "
                'object.__setattr__(self, "_backbone", backbone)',
            )
        return module if dtype is None else module.to(dtype=dtype)  # type: ignore[no-any-return]

    def inputs(self, rows: int = ROWS) -> Tensor:
        """What the module's ``forward``, or a tokenizer's ``encode``, takes: values in [-1, 1], or codes."""
        chance = torch.Generator().manual_seed(self.seed)
        if self.kind in ("encoder", "tokenizer"):
            return torch.rand(rows, *self.pixels, generator=chance) * 2 - 1
        if self.kind == "embedding":
            return self.codes(rows)
        shape: tuple[int, ...]
        if self.kind == "adapter":
            source = self.ports["source"]
            assert isinstance(source, Features)
            shape = (rows, source.tokens, source.width)
        elif self.kind == "head":
            shape = (rows, self._hidden.width)
        else:
            shape = (rows, 7, self._hidden.width)
        return torch.randn(shape, generator=chance)

    def codes(self, rows: int = ROWS) -> Tensor:
        """Random codes int64 [B, N, d] of the tokenizer's port, or of the one that is given."""
        given = self.gives if self.kind == "tokenizer" else self.ports["codes"]
        assert isinstance(given, Codes)
        chance = torch.Generator().manual_seed(self.seed + 1)
        return torch.randint(given.vocabulary, (rows, given.tokens, given.depth), generator=chance)

    @property
    def pixels(self) -> tuple[int, int, int]:
        """The shape of what the part's own image transform gives."""
        made = self.config.transform()(Image.new("RGB", (40, 30), (200, 100, 50)))
        demand(
            isinstance(made, Tensor) and made.dim() == 3 and made.shape[0] == 3 and made.dtype == torch.float32,
            f"{self.name}: transform() must turn a picture into float32 pixels [3, height, width]",
        )
        return 3, int(made.shape[1]), int(made.shape[2])

    @property
    def _hidden(self) -> Hidden:
        port = self.gives if self.kind == "backbone" else self.ports["hidden"]
        assert isinstance(port, Hidden)
        return port


class _Lender(nn.Module):
    """What a part borrows of a backbone: its matrices."""

    def __init__(self, hidden: Hidden) -> None:
        super().__init__()
        self.table = nn.Embedding(hidden.vocabulary, hidden.width)
        self.out = nn.Linear(hidden.width, hidden.vocabulary, bias=False)

    def embed(self, ids: Tensor) -> Tensor:
        return self.table(ids)  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        return self.out(hidden)  # type: ignore[no-any-return]


def _ports(names: tuple[str, ...], seed: int, depths: tuple[int, ...] = (1, 3, 4)) -> dict[str, Port]:
    chance = random.Random(seed)
    grid = Grid(chance.choice((2, 4)), chance.choice((2, 4)))
    hidden = Hidden(chance.choice((8, 16, 24)), 64, 128, 2, 2, 8)
    known: dict[str, Port] = {
        "codes": Codes(chance.choice((5, 16, 33)), grid, chance.choice((4, 6)), chance.choice(depths)),
        "hidden": hidden,
        "source": Features(grid.size, chance.choice((8, 12, hidden.width)), grid),
    }
    return {name: known[name] for name in names}
