"""What a stage trains: its parameters, its low-rank adapters, and the attention kernel that it trains with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from torch import nn

from ...attention.attend import Attention, attention_for
from ...compose.selectors import select
from ...contracts.kernels import AttentionRequest
from ...contracts.objective import Objective
from ...errors import JaniformError
from ...model.lora import adaptable, adapters_of, names_of
from ...model.unified_model import UnifiedModel
from ...recipe import Stage
from .precision import arithmetic


def trained_parameters(model: UnifiedModel, objective: nn.Module, selectors: Iterable[str]) -> dict[str, nn.Parameter]:
    """The parameters that a stage trains, by name: those selected, low-rank adapters, and those only the objective has.

    Raises ``JaniformError`` for selectors that match nothing.
    """
    named = dict(model.named_parameters())
    adapters = set(names_of(adapters_of(model)))
    chosen = select(named.keys() - adapters, selectors, model.plan.shared) | adapters
    of_model = {id(parameter) for parameter in named.values()}
    own = {
        f"objective.{name}": parameter
        for name, parameter in objective.named_parameters()
        if id(parameter) not in of_model
    }
    return {name: parameter for name, parameter in named.items() if name in chosen} | own


def set_trained(model: UnifiedModel, objective: Objective, selectors: Iterable[str]) -> None:
    """Give gradients to exactly the selected parameters and the objective's own, and put every part in its mode."""
    chosen = trained_parameters(model, objective, selectors)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in chosen)
    objective.train()
    model.eval()
    for path in model.plan.parts:
        with contextlib.suppress(JaniformError):  # text, layout and sampler are parts without a module
            part = model.part(path)
            part.train(any(parameter.requires_grad for parameter in part.parameters()))


def adapted_layers(stage: Stage, model: UnifiedModel) -> dict[str, nn.Linear]:
    """The layers of a model that a stage gives low-rank adapters, by path. Raises what ``adaptable`` does."""
    if stage.lora is None:
        return {}
    names = [name for name, _ in model.named_parameters()]
    trained = select(names, stage.train, model.plan.shared)
    return adaptable(dict(model.named_children()), stage.lora, trained, model.plan.shared)


def attention_of(stage: Stage, model: UnifiedModel, objective: Objective) -> Attention | None:
    """The attention kernel of the recipe's ``training.attention``, for a stage's device and arithmetic.

    None where the objective never runs the backbone. Raises ``UsageError`` where the kernel cannot train there, and
    ``ComponentError`` where no kernel has that name.
    """
    if not objective.attends:
        return None
    asked = AttentionRequest(
        device=str(model.device),
        dtype=str(arithmetic(stage.precision, model.device)).removeprefix("torch."),
        learning=True,
        head_width=model.plan.hidden.head_width,
    )
    return attention_for(model.plan.recipe.training.attention, asked)
