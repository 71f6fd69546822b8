"""The samples of a stage that reach no trained parameter, found on the meta device before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...contracts import Source
from ...contracts.objective import Objective
from ...model.build import build_model
from ...model.lora import attach
from ...model.meta import MetaShapes
from ...model.unified_model import UnifiedModel
from ...recipe import Stage
from ..data.builder import BatchBuilder
from ..data.contents import contents_of
from ..data.specs import BatchSpec
from ..loop.loop import to_device
from ..loop.objective import make_objective
from ..loop.trained import adapted_layers, set_trained

EXAMPLES = 16
"""Examples of each source that are tried."""


def idle_samples(
    stage: Stage, model: UnifiedModel, objective: Objective, sources: Mapping[str, Source], seed: int
) -> Iterator[str]:
    """Yield a sentence for each source of a stage some of whose first examples reach no trained parameter.

    A copy of the model without values computes the losses of each example alone. An example that cannot be used alone,
    or a part that needs values, is left out.
    """
    copy = build_model(model.plan, "meta")
    copy.processor = model.processor
    with MetaShapes():
        if stage.lora is not None:
            attach({path: layer.to("meta") for path, layer in adapted_layers(stage, copy).items()}, stage.lora)
        computing = make_objective(stage.objective, copy).to("meta")
    set_trained(copy, computing, stage.train)
    builder = BatchBuilder(sources, objective, (seed,), strict=True)
    contents = contents_of(sources)
    for name in stage.sources:
        count = min(EXAMPLES, contents[name].samples) if name in contents else EXAMPLES
        reached = [_reaches(builder, computing, stage, name, index) for index in range(count)]
        idle, tried = reached.count(False), len(reached) - reached.count(None)
        if not idle:
            continue
        first = f"of the first {tried} examples of source '{name}'"
        which = f"none {first} reaches a parameter" if idle == tried else f"{idle} {first} reach no parameter"
        yield (
            f"stage '{stage.name}': {which} that the stage trains ({', '.join(stage.train) or 'low-rank adapters'}); a "
            "step of such examples alone changes nothing"
        )


def _reaches(builder: BatchBuilder, objective: Objective, stage: Stage, source: str, index: int) -> bool | None:
    """Whether a loss of an example that has a weight depends on a trained parameter; None where that is unknown."""
    prepared = builder[BatchSpec(0, ((source, index),), {source: index + 1})]
    if prepared.problems:
        return None
    try:
        with MetaShapes():
            losses, _ = objective.losses(to_device(prepared.batch, "meta"))
    except Exception:  # any plugin's code runs here, and it may need real values
        return None
    return any(loss.total.requires_grad for name, loss in losses.items() if stage.weights.get(name, 1.0))
