"""Conformance tests of samplers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..contracts.factories import make
from ..errors import UsageError
from ..ports import Codes
from ..recipe import Use
from ..sequence.batch import as_tensors
from .case import Case, require
from .common import keeps_its_config_through_a_recipe
from .small_model import TEXTS, model_for

if TYPE_CHECKING:
    from ..contracts import Process
    from ..model.unified_model import UnifiedModel
    from ..sequence.corruption import Corruption

_PATHWAY = "generation"


def _model(case: Case) -> UnifiedModel:
    return model_for(Use("sampler", case.component, case.config))


def _draw(case: Case, prompts: int = 3, first: int = 0, **arguments: Any) -> Tensor:
    model = _model(case)
    rendered = [model.processor.drawing_prompt(text, _PATHWAY) for text in TEXTS[first : first + prompts]]
    seeds = [case.seed + first + number for number in range(prompts)]
    sampler = make(case.component, case.config)
    drawn: Tensor = sampler.draw(model, rendered, **{"pathway": _PATHWAY, "seeds": seeds} | arguments)
    return drawn


def draws_codes_of_the_pathway(case: Case) -> None:
    """``draw`` gives codes int64 [B, N, d] of the pathway's vocabulary, or finite latents, also without seeds."""
    port = _model(case).plan.pathways[_PATHWAY].drawn
    assert port is not None
    dtype = "int64" if isinstance(port, Codes) else "float32"
    wanted = [3, port.tokens, port.depth if isinstance(port, Codes) else port.width]
    choices: list[dict[str, Any]] = [{}, {"seeds": None}]
    for arguments in choices:
        drawn = _draw(case, **arguments)
        require(
            isinstance(drawn, Tensor) and str(drawn.dtype) == f"torch.{dtype}" and list(drawn.shape) == wanted,
            f"{case.name}: `draw` gave {type(drawn).__name__}, {getattr(drawn, 'dtype', 'without a type')} "
            f"{list(getattr(drawn, 'shape', ()))}, expected a tensor, {dtype} {wanted}",
        )
        if not isinstance(port, Codes):
            require(bool(drawn.isfinite().all()), f"{case.name}: drew latents that are not finite")
            continue
        low, high = int(drawn.min()), int(drawn.max())
        require(
            low >= 0 and high < port.vocabulary,
            f"{case.name}: drew codes {low} .. {high}, but the vocabulary has {port.vocabulary}",
        )


def draws_the_same_for_a_seed(case: Case) -> None:
    """A prompt and a seed give the same codes again, and alone as among others; latents within rounding."""
    together = _draw(case)
    require(torch.equal(together, _draw(case)), f"{case.name}: draws other codes for the same prompts and seeds")
    alone = torch.cat([_draw(case, 1, row) for row in range(3)])
    rows = [row for row in range(3) if not _same(alone[row], together[row])]
    require(
        not rows,
        f"{case.name}: draws other codes for a prompt alone than among others; draw the random numbers of a row from "
        "its own seed",
    )


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether codes are equal, and latents equal within the rounding of matrix products."""
    if not one.is_floating_point():
        return torch.equal(one, other)
    return torch.allclose(one, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))


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
    model = _model(case)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    _draw(case)
    changed = [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])]
    require(not changed, f"{case.name}: changes {', '.join(changed[:3])} of the model")
    require(
        modes == [module.training for module in model.modules()],
        f"{case.name}: leaves modules of the model in another mode (training or eval) than they had",
    )


def _process(case: Case) -> tuple[Process, Tensor] | None:
    """The process of a sampler that has one, and something that it corrupts: two pictures."""
    shape = _model(case).plan.pathways[_PATHWAY]
    if shape.process is None:
        return None
    return shape.process, torch.cat([_draw(case, 1, row) for row in range(2)])


def corrupts_pictures_at_random(case: Case) -> None:
    """``corrupt`` depends on its generator alone, and ``complete`` gives what can stand beside it in a batch."""
    made = _process(case)
    if made is None:
        return
    process, drawn = made
    places = drawn.shape[1]
    once, again, other = (process.corrupt(places, np.random.default_rng(seed)) for seed in (1, 1, 2))
    require(_told(once) == _told(again), f"{case.name}: `corrupt` gives another corruption for an equal generator")
    require(_told(once) != _told(other), f"{case.name}: `corrupt` does not use the generator that it is given")
    complete = process.complete(places)
    require(
        (complete.hidden is None) == (once.hidden is None) and (complete.time is None) == (once.time is None),
        f"{case.name}: `complete` and `corrupt` must both give hidden places or times, or neither, as one batch holds "
        "both",
    )
    for seed in range(20):
        corruption = process.corrupt(places, np.random.default_rng(seed))
        if corruption.hidden is None:
            continue
        shape, kind = list(corruption.hidden.shape), corruption.hidden.dtype
        require(
            shape == [places] and kind == np.bool_,
            f"{case.name}: `corrupt` gave hidden places {kind} {shape}, expected bool [{places}]",
        )
        require(
            bool(corruption.hidden.any()), f"{case.name}: `corrupt` hid no place, so that there is nothing to learn"
        )
    if complete.hidden is not None:
        require(not complete.hidden.any(), f"{case.name}: `complete` hides places of a picture that is complete")


def _told(corruption: Corruption) -> tuple[Any, ...]:
    hidden = None if corruption.hidden is None else corruption.hidden.tobytes()
    return corruption.time, hidden, corruption.seed


def reads_complete_pictures_as_they_are(case: Case) -> None:
    """``read`` and ``target`` give the shape that they are given; ``read`` a complete picture itself."""
    made = _process(case)
    if made is None:
        return
    process, drawn = made
    places = drawn.shape[1]
    chance = np.random.default_rng(case.seed)
    corrupted = as_tensors([process.corrupt(places, chance) for _ in drawn])
    complete = as_tensors([process.complete(places) for _ in drawn])
    assert corrupted is not None
    assert complete is not None
    copy = drawn.clone()
    for name in ("read", "target"):
        given = getattr(process, name)(drawn, corrupted)
        require(
            isinstance(given, Tensor) and given.shape == drawn.shape,
            f"{case.name}: `{name}` gave {list(getattr(given, 'shape', ()))}, expected {list(drawn.shape)}",
        )
        require(torch.equal(drawn, copy), f"{case.name}: `{name}` changes the pictures in place")
    require(_same(process.read(drawn, complete), drawn), f"{case.name}: `read` changes pictures that are complete")


SAMPLER_CHECKS: tuple[Callable[[Case], None], ...] = (
    draws_codes_of_the_pathway,
    draws_the_same_for_a_seed,
    reports_its_progress,
    refuses_unknown_overrides,
    leaves_the_model_as_it_is,
    corrupts_pictures_at_random,
    reads_complete_pictures_as_they_are,
    keeps_its_config_through_a_recipe,
)
