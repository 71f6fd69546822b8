"""Conformance tests of objectives."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import attrs
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..contracts.objective import Objective
from ..contracts.showcase import Samples
from ..errors import SampleError
from ..loss import Loss
from ..recipe import Use
from ..storage.tensors import tensors_of
from ..train.loop.objective import make_objective
from .calls import checked_loss
from .case import Case, require, torch_randomness_only
from .common import keeps_its_config_through_a_recipe
from .small_model import conversations, small_model


def _objective(case: Case) -> Objective:
    torch.manual_seed(case.seed)
    model = copy.deepcopy(small_model())
    return make_objective(Use("objective", case.component, case.config), model)


def _prepared(case: Case, objective: Objective) -> list[Any]:
    """What ``prepare_one`` makes of the samples that the objective can use, each with a generator of its own."""
    prepared = []
    for number, example in enumerate(conversations(case.seed)):
        try:
            prepared.append(objective.prepare_one(example, np.random.default_rng(number), lambda kind, sentence: None))
        except SampleError:
            continue
    require(bool(prepared), f"{case.name}: refuses all samples with pictures to draw or to look at")
    return prepared


def _batch(case: Case, objective: Objective, prepared: list[Any]) -> Any:
    return objective.collate(prepared, np.random.default_rng(case.seed))


def prepares_equal_batches(case: Case) -> None:
    """A batch depends on its samples and generators alone, and its tensors are on the CPU."""
    objective = _objective(case)
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # type: ignore[index]
    batches = [_batch(case, objective, _prepared(case, objective)) for _ in range(2)]
    same = (
        torch.equal(before[0], torch.get_rng_state())
        and before[1] == random.getstate()
        and np.array_equal(before[2], np.random.get_state()[1])  # type: ignore[index]
    )
    require(same, f"{case.name}: draws from a global random generator while it prepares a batch; draw from `generator`")
    first, second = (list(_tensors(batch)) for batch in batches)
    require(bool(first), f"{case.name}: its batch, {type(batches[0]).__name__}, holds no tensor")
    require(
        len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True)),
        f"{case.name}: prepares another batch from the same samples and generators",
    )
    require(all(not tensor.is_cuda for tensor in first), f"{case.name}: its batch is not in the CPU's memory")


def gives_sums_with_counts(case: Case) -> None:
    """``losses`` gives finite sums with counts by name, and scalar figures; ``counts`` announces the same counts."""
    objective = _objective(case)
    batch = _batch(case, objective, _prepared(case, objective))
    losses, figures = objective.losses(batch)
    require(isinstance(losses, Mapping) and bool(losses), f"{case.name}: gives no loss for samples with pictures")
    for name, loss in losses.items():
        checked_loss(case, f"the loss '{name}'", loss)
        require(
            math.isfinite(float(loss.total.detach())),
            f"{case.name}: the total of the loss '{name}' is not finite",
        )
        require(float(loss.count) > 0, f"{case.name}: the loss '{name}' counts nothing")
    for name, figure in figures.items():
        require(
            isinstance(figure, Tensor) and figure.numel() == 1,
            f"{case.name}: the figure '{name}' is not a scalar tensor",
        )
    if objective.divisible:
        announced, counted = objective.counts(batch), {name: int(loss.count) for name, loss in losses.items()}
        require(announced == counted, f"{case.name}: announces the counts {announced}, but its losses count {counted}")


def _losses(case: Case, objective: Objective, prepared: list[Any]) -> Mapping[str, Loss]:
    torch.manual_seed(case.seed)
    with torch_randomness_only(case.name, "`losses`"):
        losses: Mapping[str, Loss] = objective.losses(_batch(case, objective, prepared))[0]
    return losses


def adds_up_over_micro_batches(case: Case) -> None:
    """The losses of two halves of a step add up to those of the whole, where a step can be split."""
    objective = _objective(case)
    if not objective.divisible or objective.compares_samples:
        return
    prepared = _prepared(case, objective)
    whole, again = (_losses(case, objective, prepared) for _ in range(2))
    require(
        all(torch.allclose(loss.total, again[name].total, equal_nan=True) for name, loss in whole.items()),
        f"{case.name}: gives other losses for the same samples and random state of torch; draw with torch, and keep "
        "nothing from one call to the next",
    )
    sums: dict[str, Loss] = {}
    for half in (prepared[: len(prepared) // 2], prepared[len(prepared) // 2 :]):
        if half:
            for name, loss in _losses(case, objective, half).items():
                sums[name] = sums[name] + loss if name in sums else loss
    for name, loss in whole.items():
        require(name in sums, f"{case.name}: the loss '{name}' is missing in both halves of a step")
        total, added = float(loss.total.detach()), float(sums[name].total.detach())
        require(
            abs(total - added) <= 1e-3 * max(abs(total), 1e-6) and float(loss.count) == float(sums[name].count),
            f"{case.name}: the loss '{name}' of two halves of a step is {added:.4f} of {float(sums[name].count):g}, "
            f"that of the whole {total:.4f} of {float(loss.count):g}; sum over samples, or set divisible = False",
        )


def gives_finite_gradients(case: Case) -> None:
    """The losses train the model or parts of the objective's own, with finite gradients."""
    objective = _objective(case)
    objective.train().requires_grad_(True)
    losses, _ = objective.losses(_batch(case, objective, _prepared(case, objective)))
    total = torch.stack([loss.mean for loss in losses.values()]).sum()
    require(total.requires_grad, f"{case.name}: its losses have no gradient; something in them is detached")
    total.backward()  # type: ignore[no-untyped-call]
    gradients = {name: weight.grad for name, weight in _weights(objective) if weight.grad is not None}
    require(bool(gradients), f"{case.name}: no gradient reaches the model, nor a part of the objective")
    broken = [name for name, gradient in gradients.items() if not torch.isfinite(gradient).all()]
    require(not broken, f"{case.name}: the gradient of {', '.join(broken)} is not finite")


def reads_what_it_declares(case: Case) -> None:
    """Where the config has ``reads``, the losses do not depend on the weights of any other part."""
    if not hasattr(case.config, "reads"):
        return
    plan = small_model().plan
    paths = case.config.reads(plan)
    require(
        isinstance(paths, tuple) and bool(paths) and all(path in plan.parts for path in paths),
        f"{case.name}: `reads` gives {paths!r}, not a tuple of paths of parts, such as 'generation.tokenizer'",
    )
    own = {plan.owner(path) for path in paths}
    expected, changed = _losses_with(case, set()), _losses_with(case, small_model().built_parts().keys() - own)
    for name, loss in expected.items():
        require(
            name in changed and torch.equal(loss.total, changed[name].total),
            f"{case.name}: `reads` gives {', '.join(paths)}, but the loss '{name}' depends on the weights of another "
            "part; name all parts that the objective uses, or leave `reads` out",
        )


def _losses_with(case: Case, changed: Collection[str]) -> dict[str, Loss]:
    """The losses of a model, the weights of some of whose parts are changed before the objective is made."""
    model = copy.deepcopy(small_model())
    with torch.no_grad():
        for path in changed:
            for weight in tensors_of(model.part(path)).values():
                if weight.is_floating_point():
                    weight += 0.125
    torch.manual_seed(case.seed)
    objective = make_objective(Use("objective", case.component, case.config), model)
    batch = _batch(case, objective, _prepared(case, objective))
    torch.manual_seed(case.seed)
    with torch.no_grad():
        return objective.losses(batch)[0]


def shows_samples(case: Case) -> None:
    """``samples`` gives ``Samples``, a picture or nothing; it is called in eval mode, without gradients."""
    objective = _objective(case)
    with torch.no_grad():
        shown = objective.eval().samples(conversations(case.seed))
    require(
        shown is None or isinstance(shown, Samples | Image.Image),
        f"{case.name}: `samples` gives {type(shown).__name__}, not janiform.Samples, a picture or None",
    )


def _weights(objective: Objective) -> Iterator[tuple[str, nn.Parameter]]:
    yield from objective.named_parameters()
    model = next((value for value in vars(objective).values() if isinstance(value, nn.Module)), None)
    if model is not None:  # kept outside the modules
        yield from model.named_parameters()


def _tensors(value: Any) -> Iterator[Tensor]:
    """All tensors and arrays in a batch, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, np.ndarray):
        yield torch.from_numpy(value)
    elif isinstance(value, Mapping):
        for key in value:
            yield from _tensors(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif attrs.has(type(value)):
        for attribute in attrs.fields(type(value)):
            yield from _tensors(getattr(value, attribute.name))
    elif hasattr(value, "__dict__") and not callable(value):
        yield from _tensors(vars(value))


OBJECTIVE_CHECKS: tuple[Callable[[Case], None], ...] = (
    prepares_equal_batches,
    gives_sums_with_counts,
    adds_up_over_micro_batches,
    gives_finite_gradients,
    reads_what_it_declares,
    shows_samples,
    keeps_its_config_through_a_recipe,
)
