"""Two processes compute the losses and gradients of one, for every family."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from family_processes import first_losses
from family_recipes import FAMILIES
from janiform.train.distributed.process_group import ALONE
from started_processes import together

SCRIPT = Path(__file__).with_name("family_processes.py")


def assert_equal_alone(families: list[str], kinds: list[str], folder: Path) -> None:
    together(SCRIPT, 2, folder, *(f"{family}:{kind}" for family in families for kind in kinds))
    for family in families:
        expected = first_losses(family, ALONE)
        assert max(gradient.abs().max() for gradient in expected["gradients"].values()) > 0.01
        for kind in kinds:
            for rank in range(2):
                found = torch.load(folder / f"{family}-{kind}-{rank}.pt")
                assert found["losses"] == pytest.approx(expected["losses"], rel=1e-5), family
                assert found["gradients"].keys() == expected["gradients"].keys()
                for name, gradient in expected["gradients"].items():
                    torch.testing.assert_close(
                        found["gradients"][name],
                        gradient,
                        rtol=1e-5,
                        atol=1e-5,
                        msg=lambda text, at=f"{family}, {kind}: {name}": f"{at}: {text}",
                    )


def test_two_processes_compute_what_one_does(tmp_path: Path) -> None:
    assert_equal_alone(list(FAMILIES)[::5], ["replicate"], tmp_path)


@pytest.mark.slow
def test_two_processes_compute_what_one_does_for_every_family(tmp_path: Path) -> None:
    assert_equal_alone(list(FAMILIES), ["replicate"], tmp_path)


@pytest.mark.slow
def test_two_processes_that_share_the_weights_compute_what_one_does(tmp_path: Path) -> None:
    assert_equal_alone(list(FAMILIES), ["shard"], tmp_path)
