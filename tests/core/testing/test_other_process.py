"""What a part has beside its state dict is found, also where only another process lacks it."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform.testing import common, other_process
from janiform.testing.case import Case, Failure

MODULE = '''
from functools import cache
from types import SimpleNamespace

import torch
from attrs import frozen
from janiform import Features, Grid
from torch import nn

AT_IMPORT = torch.randn(6)
LATER = {}


@frozen(kw_only=True)
class Config:
    def features(self):
        return Features(4, 6, Grid(2, 2))

    def transform(self):
        return lambda picture: torch.full((3, 8, 8), 0.5)


class Named:
    kind, name, config = "encoder", "beast", Config

    def __init__(self, factory):
        self.factory = factory

    def load(self):
        return self.factory


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 4, stride=4)

    def forward(self, pixels):
        return self.patches(pixels).flatten(2).transpose(1, 2) + self.shift()

    def shift(self):
        print("plugins print")
        return 0


@cache
def drawn(width):
    return torch.randn(width)


class OfAGlobal(Encoder):
    def shift(self):
        return AT_IMPORT


class OfALazyGlobal(Encoder):
    def shift(self):
        if "table" not in LATER:
            LATER["table"] = torch.randn(6)
        return LATER["table"]


class OfACache(Encoder):
    def shift(self):
        return drawn(6)


class OfItsClass(Encoder):
    table = None

    def shift(self):
        if OfItsClass.table is None:
            OfItsClass.table = torch.randn(6)
        return OfItsClass.table


class OfAHash(Encoder):
    """Python draws the seed of hashes for each process."""

    def shift(self):
        return torch.randn(6, generator=torch.Generator().manual_seed(hash("shift") % 2**60))


class OfTheOrderOfASet(Encoder):
    def shift(self):
        order = [float(word[1:]) for word in {f"w{number}" for number in range(6)}]
        return torch.tensor(order)


class InTraining(Encoder):
    def __init__(self, config):
        super().__init__(config)
        self.noise = {"training": [torch.randn(6)]}

    def shift(self):
        return self.noise["training"][0] if self.training else 0


class OfItsGenerator(Encoder):
    def __init__(self, config):
        super().__init__(config)
        self.chance = torch.Generator().manual_seed(3)

    def shift(self):
        return torch.randn(6, generator=self.chance) if self.training else 0


class Fails(Encoder):
    def load_state_dict(self, *arguments, **named):
        if LATER.get("fails", True):
            raise OSError("no such table")
        return super().load_state_dict(*arguments, **named)


class Sound(Encoder):
    def shift(self):
        return torch.randn(6) if self.training else 0


class Ends(Encoder):
    def shift(self):
        import os
        if os.environ.get("PYTHONHASHSEED") == "7":  # in the other process only
            os._exit(3)
        return 0
'''


@pytest.fixture
def beasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "hidden_state_beasts.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "hidden_state_beasts", raising=False)
    import hidden_state_beasts

    return hidden_state_beasts


def case(beasts: Any, name: str) -> Case:
    component = beasts.Named(getattr(beasts, name))
    return Case(component, component.config(), {}, 3)


@pytest.mark.parametrize(
    "name", ["OfAGlobal", "OfALazyGlobal", "OfACache", "OfItsClass", "OfAHash", "OfTheOrderOfASet"]
)
def test_state_of_a_process_is_found(beasts: Any, name: str) -> None:
    with pytest.raises(Failure, match=r"in another process .* gives other outputs of `forward` by .*register what"):
        common.keeps_its_state(case(beasts, name))


@pytest.mark.parametrize("name", ["InTraining", "OfItsGenerator"])
def test_state_of_training_is_found(beasts: Any, name: str) -> None:
    with pytest.raises(Failure, match=r"gives another loss in training mode by .*, so a resumed run differs"):
        common.keeps_its_state(case(beasts, name))


def test_a_failure_there_is_one_sentence(beasts: Any) -> None:
    beasts.LATER["fails"] = False  # here, but not in the other process
    with pytest.raises(Failure, match="fails with its state dict in another process: OSError: no such table"):
        common.keeps_its_state(case(beasts, "Fails"))
    with pytest.raises(Failure, match="in another process: the process ended"):
        common.keeps_its_state(case(beasts, "Ends"))
    common.keeps_its_state(case(beasts, "Sound"))


def test_parts_are_compared_unless_only_this_process_has_them(beasts: Any) -> None:
    built_in = Case.draw("adapter", "linear", {}, 3)
    state = built_in.build().state_dict()
    assert set(other_process.outputs_elsewhere(built_in, state, built_in.inputs()) or ()) == {"forward"}
    made_here = case(beasts, "Sound")
    made_here.component.load = functools.partial(lambda factory: factory, beasts.Sound)
    assert other_process.outputs_elsewhere(made_here, {}, torch.zeros(1)) is None
