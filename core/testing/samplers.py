"""Conformance tests of samplers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..contracts.factories import make
from ..errors import UsageError
from .case import Case, require
from .common import keeps_its_config_through_a_recipe
from .small_model import TEXTS, small_model

_PATHWAY = "generation"


def _draw(case: Case, prompts: int = 3, first: int = 0, **arguments: Any) -> Tensor:
    model = small_model()
    rendered = [model.processor.drawing_prompt(text, _PATHWAY) for text in TEXTS[first : first + prompts]]
    seeds = [case.seed + first + number for number in range(prompts)]
    sampler = make(case.component, case.config)
    codes: Tensor = sampler.draw(model, rendered, **{"pathway": _PATHWAY, "seeds": seeds} | arguments)
    return codes


def draws_codes_of_the_pathway(case: Case) -> None:
    """``draw`` gives codes int64 [B, N, d] of the pathway's vocabulary, also without seeds."""
    codes_port = small_model().plan.pathways[_PATHWAY].codes
    assert codes_port is not None
    choices: list[dict[str, Any]] = [{}, {"seeds": None}]
    for arguments in choices:
        codes = _draw(case, **arguments)
        wanted = [3, codes_port.tokens, codes_port.depth]
        require(
            isinstance(codes, Tensor) and codes.dtype == torch.int64 and list(codes.shape) == wanted,
            f"{case.name}: `draw` gave {type(codes).__name__}, {getattr(codes, 'dtype', 'without a type')} "
            f"{list(getattr(codes, 'shape', ()))}, expected a tensor, int64 {wanted}",
        )
        low, high = int(codes.min()), int(codes.max())
        require(
            low >= 0 and high < codes_port.vocabulary,
            f"{case.name}: drew codes {low} .. {high}, but the vocabulary has {codes_port.vocabulary}",
        )


def draws_the_same_for_a_seed(case: Case) -> None:
    """A prompt and a seed give the same codes again, and alone as among others."""
    together = _draw(case)
    require(torch.equal(together, _draw(case)), f"{case.name}: draws other codes for the same prompts and seeds")
    alone = torch.cat([_draw(case, 1, row) for row in range(3)])
    rows = [row for row in range(3) if not torch.equal(alone[row], together[row])]
    require(
        not rows,
        f"{case.name}: draws other codes for a prompt alone than among others; draw the random numbers of a row from "
        "its own seed",
    )


def reports_its_progress(case: Case) -> None:
    """``on_step`` counts up to its total; ``on_codes`` gets the codes so far, −1 where none is drawn."""
    steps: list[tuple[int, int]] = []
    partial: list[Tensor] = []
    codes = _draw(
        case,
        on_step=lambda done, of: steps.append((done, of)),
        on_codes=lambda so_far: partial.append(so_far.detach().clone()),
    )
    require(bool(steps), f"{case.name}: never calls `on_step`")
    require(
        all(a[0] <= b[0] for a, b in pairwise(steps)) and steps[-1][0] == steps[-1][1],
        f"{case.name}: the steps of `on_step` do not count up to their total: {steps[:2]} … {steps[-1]}",
    )
    require(bool(partial), f"{case.name}: never calls `on_codes`")
    require(
        all(some.shape == codes.shape for some in partial),
        f"{case.name}: calls `on_codes` with {list(partial[0].shape)}, expected {list(codes.shape)}",
    )
    require(torch.equal(partial[-1], codes), f"{case.name}: the last codes of `on_codes` are not those that it returns")


def refuses_unknown_overrides(case: Case) -> None:
    """An override that the config does not declare raises ``UsageError``."""
    try:
        _draw(case, no_such_setting=1)
    except UsageError:
        return
    except TypeError as error:
        require(
            "no_such_setting" not in str(error),
            f"{case.name}: raises TypeError for an unknown setting, expected "
            "UsageError; take `**overrides` and compare their names with those of the config",
        )
        raise
    require(False, f"{case.name}: accepts an override 'no_such_setting' that its config does not have")


def leaves_the_model_as_it_is(case: Case) -> None:
    """Weights and modes of the model are the same after drawing."""
    model = small_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    _draw(case)
    changed = [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])]
    require(not changed, f"{case.name}: changes {', '.join(changed[:3])} of the model")
    require(
        modes == [module.training for module in model.modules()],
        f"{case.name}: leaves modules of the model in another mode (training or eval) than they had",
    )


SAMPLER_CHECKS: tuple[Callable[[Case], None], ...] = (
    draws_codes_of_the_pathway,
    draws_the_same_for_a_seed,
    reports_its_progress,
    refuses_unknown_overrides,
    leaves_the_model_as_it_is,
    keeps_its_config_through_a_recipe,
)
