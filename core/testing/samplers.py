"""Conformance tests of samplers."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..contracts.factories import make
from ..errors import UsageError
from ..ports import Codes, CodesOrLatents
from ..recipe import Use
from ..sequence.corruption import Corrupted, Corruption
from .calls import near
from .case import Case, require, torch_randomness_only
from .common import keeps_its_config_through_a_recipe
from .small_model import TEXTS, scales_model, small_model, whole_picture_model

if TYPE_CHECKING:
    from ..model.unified_model import UnifiedModel

_PATHWAY = "generation"


def _model(case: Case) -> UnifiedModel:
    """A small model that the sampler draws with: its own where it draws pictures as wholes or scale by scale."""
    if getattr(case.config, "by_scales", False):
        return scales_model(Use("sampler", case.component, case.config))
    if not callable(getattr(case.config, "process", None)):
        return small_model()
    return whole_picture_model(Use("sampler", case.component, case.config))


def _drawn(case: Case) -> CodesOrLatents:
    drawn = _model(case).plan.pathways[_PATHWAY].drawn
    assert drawn is not None
    return drawn


def _draw(case: Case, prompts: int = 3, first: int = 0, **arguments: Any) -> Tensor:
    model = _model(case)
    rendered = [model.processor.drawing_prompt(text, _PATHWAY) for text in TEXTS[first : first + prompts]]
    seeds = [case.seed + first + number for number in range(prompts)]
    sampler = make(case.component, case.config)
    codes: Tensor = sampler.draw(model, rendered, **{"pathway": _PATHWAY, "seeds": seeds} | arguments)
    return codes


def draws_codes_of_the_pathway(case: Case) -> None:
    """``draw`` gives codes int64 [B, N, d] of the pathway's vocabulary, or finite latents, also without seeds."""
    port = _drawn(case)
    choices: list[dict[str, Any]] = [{}, {"seeds": None}]
    for arguments in choices:
        codes = _draw(case, **arguments)
        wanted, kind = [3, port.tokens, port.depth if isinstance(port, Codes) else port.width], "int64"
        if isinstance(port, Codes):
            fits = isinstance(codes, Tensor) and codes.dtype == torch.int64
        else:
            fits, kind = isinstance(codes, Tensor) and codes.is_floating_point(), "floating-point numbers"
        require(
            fits and list(codes.shape) == wanted,
            f"{case.name}: `draw` gave {type(codes).__name__}, {getattr(codes, 'dtype', 'without a type')} "
            f"{list(getattr(codes, 'shape', ()))}, expected a tensor, {kind} {wanted}",
        )
        if not isinstance(port, Codes):
            require(bool(torch.isfinite(codes).all()), f"{case.name}: drew latents that are not finite")
            continue
        low, high = int(codes.min()), int(codes.max())
        require(
            low >= 0 and high < port.vocabulary,
            f"{case.name}: drew codes {low} .. {high}, but the vocabulary has {port.vocabulary}",
        )


def draws_the_same_for_a_seed(case: Case) -> None:
    """A prompt and a seed give the same codes or latents again, and alone as among others.

    Other seeds give other latents, unless the sampler has ``deterministic``.
    """
    together, what = _draw(case), "codes" if isinstance(_drawn(case), Codes) else "latents"
    require(torch.equal(together, _draw(case)), f"{case.name}: draws other {what} for the same prompts and seeds")
    alone = torch.cat([_draw(case, 1, row) for row in range(3)])
    # Latents differ by the rounding of matrix products, whose blocking depends on the number of rows.
    same = torch.equal if what == "codes" else partial(near, tolerance=1e-4)
    rows = [row for row in range(3) if not same(alone[row], together[row])]
    require(
        not rows,
        f"{case.name}: draws other {what} for a prompt alone than among others; draw the random numbers of a row from "
        "its own seed",
    )
    seeds = [case.seed + 100 + number for number in range(3)]
    if getattr(make(case.component, case.config), "deterministic", False):
        return
    require(
        what == "codes" or not torch.equal(_draw(case, seeds=seeds), together),
        f"{case.name}: draws the same latents for other seeds",
    )


def corrupts_pictures_for_training(case: Case) -> None:
    """A process can be sent to data workers, draws from its generator alone, and keeps the pictures of a batch apart.

    A complete picture is read as it is.
    """
    process: Any = _model(case).plan.pathways[_PATHWAY].process
    if process is None:
        return
    port = _drawn(case)
    process = pickle.loads(pickle.dumps(process))
    places = port.tokens
    with torch_randomness_only(case.name, "`corrupt`"):
        drawn = [process.corrupt(places, np.random.default_rng(case.seed + row)) for row in range(3)]
    again = [process.corrupt(places, np.random.default_rng(case.seed + row)) for row in range(3)]
    require(
        all(
            a.time == b.time and a.seed == b.seed and np.array_equal(a.hidden, b.hidden)
            for a, b in zip(drawn, again, strict=True)
        ),
        f"{case.name}: `corrupt` draws from something else than the generator that it is given",
    )
    _check_hidden(case, process, places, drawn)
    _check_before_text(case, process, places)
    whole, partly = (_tensors(each) for each in ([process.complete(places)] * 3, drawn))
    chance = torch.Generator().manual_seed(case.seed)
    if isinstance(port, Codes):
        pictures = torch.randint(port.vocabulary, (3, places, port.depth), generator=chance)
    else:
        pictures = torch.randn(3, places, port.width, generator=chance)
    require(
        torch.allclose(process.read(pictures, whole).float(), pictures.float(), atol=1e-6),
        f"{case.name}: `read` changes a picture with the corruption of `complete`; give the time at which nothing is "
        "noise, and hide no place",
    )
    for method in (process.read, process.target):
        together = method(pictures, partly)
        require(
            together.shape == pictures.shape and bool(torch.isfinite(together.float()).all()),
            f"{case.name}: `{method.__name__}` gave {list(together.shape)}, expected finite numbers "
            f"{list(pictures.shape)}",
        )
        alone = torch.cat([method(pictures[row : row + 1], _tensors(drawn[row : row + 1])) for row in range(3)])
        require(
            torch.allclose(alone.float(), together.float(), atol=1e-6),
            f"{case.name}: `{method.__name__}` of a picture depends on the rest of the batch; draw noise from each "
            "picture's seed, as by janiform.normal",
        )


def _check_before_text(case: Case, process: Any, places: int) -> None:
    """Whether pictures before a text are corrupted no further than the process says, if it says anything."""
    most = float(getattr(process, "before_text", 0.0))
    if not most:
        return
    end = process.complete(places).time
    times = [process.corrupt(places, np.random.default_rng(case.seed + row), most).time for row in range(64)]
    require(
        end is not None and all(time is not None for time in times),
        f"{case.name}: has `before_text`, but no times that it could limit",
    )
    furthest = max(abs(time - end) for time in times)
    require(
        furthest <= most + 1e-9,
        f"{case.name}: `corrupt` with at most {most:g} gave a picture that is {furthest:.3g} from complete ones",
    )


def _check_hidden(case: Case, process: Any, places: int, drawn: Sequence[Corruption]) -> None:
    """Whether corruptions hide places, if any, in a way that one batch can hold, and such that some are predicted."""
    complete = process.complete(places)
    kinds = {(each.hidden is None, each.time is None) for each in (*drawn, complete)}
    require(
        len(kinds) == 1,
        f"{case.name}: `complete` and `corrupt` both give hidden places or times, or neither: one batch holds both",
    )
    if complete.hidden is None:
        return
    for each in (*drawn, complete):
        require(
            each.hidden.dtype == np.bool_ and each.hidden.shape == (places,),
            f"{case.name}: the hidden places are {each.hidden.dtype} {list(each.hidden.shape)}, expected bool "
            f"[{places}]",
        )
    hidden = np.stack([each.hidden for each in drawn if each.hidden is not None])
    require(not complete.hidden.any(), f"{case.name}: `complete` hides places")
    require(bool(hidden.any(axis=1).all()), f"{case.name}: `corrupt` hides no place: nothing is predicted")
    require(
        bool((hidden != hidden[0]).any()),
        f"{case.name}: `corrupt` hides the same places whatever its generator gives",
    )


def _tensors(corruptions: Sequence[Corruption]) -> Corrupted:
    times = [each.time for each in corruptions if each.time is not None]
    hidden = [each.hidden for each in corruptions if each.hidden is not None]
    return Corrupted(
        torch.tensor(times) if times else None,
        torch.from_numpy(np.stack(hidden)) if hidden else None,
        torch.tensor([each.seed for each in corruptions]),
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


def draws_whole_scales(case: Case) -> None:
    """A sampler with ``by_scales`` draws from coarse to fine: after a step, a scale has all of its codes or none."""
    port = _drawn(case)
    if not isinstance(port, Codes) or not port.scales:
        return
    partial: list[Tensor] = []
    _draw(case, on_codes=lambda so_far: partial.append(so_far.detach().clone()))
    edges = [0, *accumulate(scale.size for scale in port.scales)]
    for codes in partial:
        drawn = (codes >= 0).all(-1).all(0)
        require(
            int(drawn.sum()) in edges and bool(drawn[: int(drawn.sum())].all()),
            f"{case.name}: after a step {int(drawn.sum())} places are drawn, which are not the scales up to one; put "
            "-1 at the codes of later scales",
        )


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


SAMPLER_CHECKS: tuple[Callable[[Case], None], ...] = (
    draws_codes_of_the_pathway,
    draws_the_same_for_a_seed,
    corrupts_pictures_for_training,
    reports_its_progress,
    draws_whole_scales,
    refuses_unknown_overrides,
    leaves_the_model_as_it_is,
    keeps_its_config_through_a_recipe,
)
