"""A component with settings and ports, from which modules are built and given inputs.

B rows or pictures    N tokens of a picture    d depth of a code    T positions    H hidden width
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from attrs import evolve, field, fields, frozen
from PIL import Image
from torch import Tensor, nn

from ..components.component import Component
from ..components.kinds import KINDS
from ..components.registry import registry
from ..model.meta import tensors_on
from ..ports import Codes, Features, Grid, Hidden, Latents, Logits, PlaceValues, Port, PortMismatch, Values
from ..sequence.codes import with_given
from ..sequence.corruption import Corrupted
from .lenders import CodeVectors, Matrices

ROWS = 3
"""Rows of a batch; three, so that one row is neither the first nor the last."""


_COLOURS = ("black", "white", "grey", "red", "lime", "blue", "cyan", "magenta", "yellow")


class Failure(AssertionError):  # noqa: N818 - as pytest reports it
    """A contract that a part does not follow; the message is for its author."""


def require(condition: bool, message: str) -> None:
    """Raise ``Failure`` with the message unless the condition holds."""
    __tracebackhide__ = True
    if not condition:
        raise Failure(message)


@contextmanager
def torch_randomness_only(name: str, what: str) -> Iterator[None]:
    """Raise ``Failure`` where the context draws from Python's or NumPy's global generators, which no run restores."""
    numpy: Any = sys.modules.get("numpy")
    python_state, numpy_state = random.getstate(), numpy and str(numpy.random.get_state())
    yield
    advice = "which neither the seed of a run nor its checkpoints determine; draw with torch, as by torch.rand"
    require(random.getstate() == python_state, f"{name}: {what} draws from Python's `random`, {advice}")
    numpy = sys.modules.get("numpy") if numpy_state else None
    require(
        not numpy or str(numpy.random.get_state()) == numpy_state,
        f"{name}: {what} draws from `numpy.random`, {advice}",
    )


@frozen
class Case:
    """One component with one choice of settings and ports.

    ``settings`` are the fields of its config, ``ports`` the factory's arguments after the config; ``seed`` determines
    all weights and inputs.
    """

    component: Component
    config: Any
    ports: Mapping[str, Port]
    seed: int
    settings: Mapping[str, Any] = field(factory=dict)

    @classmethod
    def draw(cls, kind: str, name: str, settings: Mapping[str, Any], seed: int) -> Case:
        """A case whose ports are drawn from the seed; where the part refuses the drawn codes, they have a depth of 1,
        and where it refuses those, too, they are latents. For a part with ``by_scales`` the codes have scales.

        Raises what the config raises for its settings.
        """
        component = registry().find(kind, name)
        config = component.config(**settings)
        if not KINDS[kind].gives:
            return cls(component, config, {}, seed, settings)
        takes = KINDS[kind].takes
        case = cls(component, config, _ports(takes, seed), seed, settings)
        single = evolve(case, ports=_ports(takes, seed, depths=(1,)))
        latents = evolve(case, ports=_ports(takes, seed, latents=True))
        if getattr(config, "by_scales", False):
            return evolve(case, ports={name: _scaled(port) for name, port in case.ports.items()})
        return next((each for each in (case, single, latents) if each.fits), single)

    @property
    def fits(self) -> bool:
        """Whether the config accepts its inputs."""
        try:
            self.gives  # noqa: B018 - evaluated for what it raises
        except PortMismatch:
            return False
        return True

    @property
    def kind(self) -> str:
        return self.component.kind

    @property
    def name(self) -> str:
        """The part's name in messages."""
        settings = ", ".join(f"{key} = {value!r}" for key, value in self.settings.items())
        return f"{self.kind} '{self.component.name}'" + (f" with {settings}" if settings else "")

    @property
    def gives(self) -> Any:
        """The port that the config declares. Raises ``PortMismatch`` where it refuses its inputs."""
        return getattr(self.config, KINDS[self.kind].port_method(self.config))(*self.ports.values())

    def build(self, device: str = "cpu", dtype: torch.dtype | None = None, instance: int = 0) -> nn.Module:
        """A new module in eval mode. All calls with the same ``instance`` give the same weights.

        Weights are drawn by the part and then changed a little, since a part whose last layer begins at zero would
        follow any contract.
        """
        torch.manual_seed(self.seed + 1000 * instance)
        with torch_randomness_only(self.name, "the factory"), torch.device(device):
            module = self.component.load()(self.config, *self.ports.values())
        require(
            isinstance(module, nn.Module),
            f"{self.name}: the factory gave {type(module).__name__}, not a torch.nn.Module",
        )
        self._check_lazy(module)
        module.eval().requires_grad_(False)
        if device == "cpu":
            chance = torch.Generator().manual_seed(self.seed + instance)
            for parameter in module.parameters():
                if parameter.is_floating_point():
                    parameter.add_(torch.randn(parameter.shape, generator=chance).to(parameter) * 0.1)
        if callable(getattr(module, "borrow", None)):
            self._lend(module, device, dtype)
        return module if dtype is None else module.to(dtype=dtype)  # type: ignore[no-any-return]

    def _check_lazy(self, module: nn.Module) -> None:
        lazy = [name for name, parameter in module.named_parameters() if nn.parameter.is_lazy(parameter)]
        require(
            not lazy,
            f"{self.name}: {', '.join(lazy)} gets its shape in the first forward, and a checkpoint is loaded before; "
            "derive the shape from the settings and ports, in __init__",
        )

    def _lend(self, module: Any, device: str, dtype: torch.dtype | None) -> None:
        for part in getattr(self.config, "borrows", ("backbone",)):
            torch.manual_seed(self.seed)
            with tensors_on(device):
                lender = self._lender(part)
            module.borrow(lender if dtype is None else lender.to(dtype=dtype))
            require(
                not {*lender.parameters()} & {*module.parameters()},
                f"{self.name}: has the {part} among its own weights; keep it by "
                f'object.__setattr__(self, "_{part}", {part})',
            )

    def _lender(self, part: str) -> nn.Module:
        drawn = self.ports.get("drawn")
        if part == "tokenizer" and isinstance(drawn, Codes):
            return CodeVectors(drawn)
        return Matrices(self._hidden) if part == "backbone" else self._other(part)

    def _other(self, kind: str) -> nn.Module:
        """The part of another kind that this one borrows: that of the same name, with the settings that both have."""
        component, config = self._other_config(kind)
        module: nn.Module = component.load()(config, *(self.ports[name] for name in KINDS[kind].takes))
        return module.eval().requires_grad_(False)

    def _other_config(self, kind: str) -> tuple[Component, Any]:
        component = registry().find(kind, self.component.name)
        both = {field.alias or field.name for field in fields(component.config)} & self.settings.keys()
        return component, component.config(**{name: self.settings[name] for name in both})

    @property
    def _positions(self) -> int:
        """The states of a picture that a head reads: one per place, and those behind them of an embedding that it
        borrows."""
        drawn = self.ports["drawn"]
        assert isinstance(drawn, Latents)
        if "embedding" not in getattr(self.config, "borrows", ()):
            return drawn.tokens
        _, config = self._other_config("embedding")
        return drawn.tokens + int(config.embed(drawn, self.ports["hidden"]).trail)

    def inputs(self, rows: int = ROWS) -> Tensor:
        """Inputs of ``forward``, or of a tokenizer's ``encode``: pixels in [-1, 1], codes, features or states."""
        chance = torch.Generator().manual_seed(self.seed)
        if "transform" in KINDS[self.kind].declares:
            return torch.rand(rows, *self.pixels, generator=chance) * 2 - 1
        match next(iter(self.ports.values()), None):
            case Codes():
                return self.codes(rows)
            case Features() as source:
                return torch.randn(rows, source.tokens, source.width, generator=chance)
            case Hidden() as hidden if self.draws_wholes:
                return torch.randn(rows, self._positions, hidden.width, generator=chance)
            case Hidden() as hidden:
                return torch.randn(rows, hidden.width, generator=chance)
            case Latents() | Values() as values:
                return torch.randn(rows, values.tokens, values.width, generator=chance)
            case PlaceValues() as values:
                return torch.randn(rows, values.width, generator=chance)
            case Logits() as logits:
                return torch.randn(rows, logits.vocabulary, generator=chance)
            case PlaceValues() as single:
                return torch.randn(rows, single.width, generator=chance)
            case None:
                return torch.randn(rows, 7, self._hidden.width, generator=chance)

    def extremes(self) -> list[tuple[str, Tensor]]:
        """Inputs at the ends of what occurs, with their names: pictures of one colour, or vectors of zeros."""
        if "transform" not in KINDS[self.kind].declares:
            inputs = self.inputs(1)
            return [("vectors of zeros", torch.zeros_like(inputs))] if inputs.is_floating_point() else []
        transform = self.config.transform()
        halves = Image.new("RGB", (40, 30))
        halves.paste((255, 255, 255), (0, 0, 20, 30))
        return [
            *((f"a {name} picture", transform(Image.new("RGB", (40, 30), name))[None]) for name in _COLOURS),
            ("a picture half white, half black", transform(halves)[None]),
            ("a picture of noise", torch.randint(2, (1, *self.pixels)).float() * 2 - 1),
        ]

    def codes(self, rows: int = ROWS) -> Tensor:
        """Random codes int64 [B, N, d] of the port that a tokenizer gives, or that another part takes."""
        given = self.gives if self.kind == "tokenizer" else self.ports["drawn"]
        assert isinstance(given, Codes)
        chance = torch.Generator().manual_seed(self.seed + 1)
        codes = torch.randint(given.vocabulary, (rows, given.tokens, given.depth), generator=chance)
        return with_given(codes, given)

    def latents(self, rows: int = ROWS, first: int = 0) -> Tensor:
        """Random latents [B, N, C] of the port that a tokenizer gives, or that another part takes; rows as numbered."""
        given = self.gives if self.kind == "tokenizer" else self.ports["drawn"]
        assert isinstance(given, Latents)
        chance = torch.Generator().manual_seed(self.seed + 1)
        count = max(ROWS, first + rows)  # torch draws others for another count
        return torch.randn(count, given.tokens, given.width, generator=chance)[first : first + rows]

    def corrupted(self, rows: int = ROWS, first: int = 0) -> Corrupted:
        """Pictures with other times in each row, counted from ``first``, and other hidden places where there are any.

        Places are hidden where the config says ``hides``, and for a head that draws single places.
        """
        given = self.ports["drawn"]
        assert isinstance(given, Latents)
        chance = torch.Generator().manual_seed(self.seed + 2)
        count, chosen = max(ROWS, first + rows), slice(first, first + rows)  # torch draws others for another count
        times = torch.rand(count, generator=chance)[chosen]
        # Of every picture the first place is hidden and the last one is not.
        hidden = torch.rand(count, given.tokens, generator=chance)[chosen] < 0.5
        hidden[:, 0], hidden[:, -1] = True, False
        seeds = torch.arange(first, first + rows)
        hides = self.draws_places or getattr(self.config, "hides", False)
        return Corrupted(times, hidden if hides else None, seeds)

    @property
    def draws_wholes(self) -> bool:
        """Whether it is an embedding or a head of latents that are drawn as whole pictures."""
        latents = self.kind in ("embedding", "head") and isinstance(self.ports.get("drawn"), Latents)
        return latents and not self.draws_latents_singly

    @property
    def draws_latents_singly(self) -> bool:
        """Whether it is a head of latents that predicts single places, each from the state before it."""
        return self.kind == "head" and isinstance(self.gives, PlaceValues)

    @property
    def decodes(self) -> bool:
        """Whether it is a tokenizer that gives pixels, as all do whose config does not say otherwise."""
        return self.kind == "tokenizer" and bool(getattr(self.config, "decodes", True))

    @property
    def draws_places(self) -> bool:
        """Whether it is a head that draws the values of single places by a process of its own."""
        if self.kind != "head" or not self.draws_wholes:
            return False
        port = self.gives
        return isinstance(port, Values) and port.of == "sample"

    @property
    def draws_scales(self) -> bool:
        """Whether it is an embedding of codes with scales."""
        drawn = self.ports.get("drawn")
        return self.kind == "embedding" and isinstance(drawn, Codes) and bool(drawn.scales)

    @property
    def has_latents(self) -> bool:
        """Whether it is a tokenizer of continuous latents, not of codes."""
        return self.kind == "tokenizer" and isinstance(self.gives, Latents)

    @property
    def pixels(self) -> tuple[int, int, int]:
        """The shape of what the part's image transform gives."""
        made = self.config.transform()(Image.new("RGB", (40, 30), (200, 100, 50)))
        require(
            isinstance(made, Tensor) and made.dim() == 3 and made.shape[0] == 3 and made.dtype == torch.float32,
            f"{self.name}: transform() must give a function of a picture to float32 pixels [3, height, width]",
        )
        return 3, int(made.shape[1]), int(made.shape[2])

    @property
    def _hidden(self) -> Hidden:
        port = self.gives if self.kind == "backbone" else self.ports["hidden"]
        assert isinstance(port, Hidden)
        return port


def _scaled(port: Port) -> Port:
    """Codes with three scales, the last of which is larger than the grid was; other ports as they are."""
    if not isinstance(port, Codes):
        return port
    grid = Grid(port.grid.height + 1, port.grid.width + 1)
    return evolve(port, grid=grid, scales=(Grid(1, 1), Grid(2, 2), grid))


def _ports(
    names: tuple[str, ...], seed: int, depths: tuple[int, ...] = (1, 3, 4), latents: bool = False
) -> dict[str, Port]:
    chance = random.Random(seed)
    grid = Grid(chance.choice((2, 4)), chance.choice((2, 4)))
    hidden = Hidden(chance.choice((8, 16, 24)), 64, 128, 2, 2, 8)
    ports: dict[str, Port] = {
        "drawn": Codes(chance.choice((5, 16, 33)), grid, chance.choice((4, 6)), chance.choice(depths)),
        "hidden": hidden,
        "source": Features(grid.size, chance.choice((8, 12, hidden.width)), grid),
        "predicted": Logits(16),
    }
    if latents:
        ports["drawn"] = Latents(grid, chance.choice((4, 8, 12)))
    return {name: ports[name] for name in names}
