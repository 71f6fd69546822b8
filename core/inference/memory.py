"""How many pictures or answers fit into memory at once, planned from sizes before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from attrs import evolve, frozen
from torch import nn

from ..errors import ResourceError
from ..measure.needs import Needs, measure_needs, without_weights
from ..storage.quantize import Int4Linear, Int8Linear
from ..units import size
from .free_memory import free_memory
from .generate.images import guidance_prompts

if TYPE_CHECKING:
    from ..guidance import Guidance
    from ..model.unified_model import UnifiedModel
    from ..sequence.spans import Sequence as SpanSequence

MOST = 64
"""The most pictures or answers per round: enough to keep a device busy with a small model."""

DECODED_AT_ONCE = 16
"""The most pictures decoded together: more are not faster."""

_SHARE = 0.95
"""The share of the free memory that is used; other programs need some, and memory is allocated in blocks."""

_SLACK = 1.25
"""Factor for the workspace of kernels beside the tensors that they return."""

_KERNELS = {"cpu": 64 << 20, "cuda": 256 << 20}
"""Bytes that the first kernels allocate once: buffers of matrix products and convolutions."""

_MASK = 8
"""Bytes per pair of positions of a prompt: the mask, as booleans while it is built and as numbers."""


@frozen
class MemoryEstimate:
    """Bytes that some rows together take beside the weights: keys and values, and activations at their peak."""

    cache: int
    work: int

    @property
    def total(self) -> int:
        return self.cache + self.work


@frozen
class MemoryPlan:
    """How many pictures or answers are generated together, and the memory it takes. ``str`` gives a sentence.

    ``what``: "pictures" or "answers". ``at_once``: how many of the ``total`` per round; the last round may have fewer.
    ``decoded``: pictures to decode at once. ``cache`` and ``work``: bytes that a full round takes at its peak;
    ``weights``: bytes of the model's weights; ``free``: bytes that are free beside them.
    """

    what: str
    total: int
    at_once: int
    decoded: int
    cache: int
    work: int
    weights: int
    free: int

    @property
    def rounds(self) -> int:
        return ceil(self.total / self.at_once)

    @property
    def parts(self) -> Iterator[slice]:
        """The rows of each round."""
        return (slice(start, start + self.at_once) for start in range(0, self.total, self.at_once))

    def __str__(self) -> str:
        count = f"{self.total} {self.what if self.total > 1 else self.what[:-1]}"
        rounds = f"{count} in {self.rounds} rounds of {self.at_once}" if self.rounds > 1 else f"{count} at once"
        return (
            f"{rounds}: {size(self.cache)} for keys and values, {size(self.work)} to compute with, beside "
            f"{size(self.weights)} of weights; {size(self.free)} free"
        )


OnPlan = Callable[[MemoryPlan], None]
"""Called once with the plan, before anything is computed."""


def memory_for_drawing(
    model: UnifiedModel,
    rows: Sequence[SpanSequence],
    pathway: str,
    guidance: Guidance,
    *,
    previews: bool = False,
    needs: Needs | None = None,
) -> MemoryPlan:
    """``plan_drawing`` for a model and one prompt per picture, with the memory that is free now.

    ``needs``: those of the model, where they are known.
    """
    needs = needs or memory_needs(model)
    distinct = {id(row): row for row in rows}
    return plan_drawing(
        needs,
        pathway,
        pictures=len(rows),
        longest=max(map(len, guidance_prompts(model, list(distinct.values()), guidance))),
        codes=_picture_positions(model, pathway),
        rows=len(guidance),
        prompts=len({id(row) if _looks([row]) else tuple(row.ids) for row in rows}),
        looks=_looks(rows),
        free=free_memory(model.device, needs.weights),
        device=model.device.type,
        previews=previews,
    )


def _picture_positions(model: UnifiedModel, pathway: str) -> int:
    """The positions behind a prompt that a picture takes, with its marks where it is not drawn place by place."""
    shape = model.plan.pathways[pathway]
    return shape.tokens if shape.place_by_place else len(model.processor.canvas(pathway))


def memory_for_answers(
    model: UnifiedModel, rows: Sequence[SpanSequence], more: int, *, needs: Needs | None = None
) -> MemoryPlan:
    """``plan_answers`` for a model and its prompts, with the memory that is free now; ``needs`` as above."""
    needs = needs or memory_needs(model)
    looks = _looks(rows)
    return plan_answers(
        needs,
        answers=len(rows),
        longest=max(map(len, rows)),
        more=more,
        looks=looks,
        free=free_memory(model.device, needs.weights),
        device=model.device.type,
        shared=model.features is not None and bool(looks),
    )


def _looks(rows: Sequence[SpanSequence]) -> dict[str, int]:
    """The most pictures that one prompt has, by pathway."""
    looks: dict[str, int] = {}
    for row in rows:
        pathways = [span.pathway or "" for span in row.spans if span.kind != "text"]
        looks |= {name: max(looks.get(name, 0), pathways.count(name)) for name in pathways}
    return looks


_NEEDS: WeakKeyDictionary[UnifiedModel, tuple[torch.dtype, Needs]] = WeakKeyDictionary()
"""The needs of models that were measured, with the data type that they had then."""


def memory_needs(model: UnifiedModel) -> Needs:
    """What a model takes: activations traced once through its own modules, and the weights that it has now."""
    dtype = next((tensor.dtype for tensor in model.parameters() if tensor.is_floating_point()), torch.float32)
    measured = _NEEDS.get(model)
    if measured is None or measured[0] != dtype:
        measured = _NEEDS[model] = dtype, measure_needs(model.plan, dtype, _unquantized(model))
    tensors = {*model.parameters(), *model.buffers()}
    copies = getattr(model.engine, "copies", 1)
    weights = sum([tensor.nbytes for tensor in tensors])
    return evolve(measured[1], weights=weights, cache=measured[1].cache * copies)


def _unquantized(model: UnifiedModel) -> dict[str, nn.Module]:
    """The model's modules without weights, and with linear layers where it has quantised ones.

    A quantised weight that is widened for a product would otherwise be counted for every position.
    """
    copies = without_weights(model.built_parts())
    for root in copies.values():
        for name, layer in list(root.named_modules()):
            if isinstance(layer, Int8Linear | Int4Linear):
                outputs, inputs = layer.weight.shape
                bias = layer.bias is not None
                root.set_submodule(name, nn.Linear(inputs, outputs, bias, device="meta", dtype=layer.scale.dtype))
    return copies


def plan_drawing(
    needs: Needs,
    pathway: str,
    *,
    pictures: int,
    longest: int,
    codes: int,
    rows: int,
    prompts: int,
    free: int,
    device: str = "cpu",
    previews: bool = False,
    looks: Mapping[str, int] | None = None,
) -> MemoryPlan:
    """Plan to draw ``pictures`` whose longest prompt has ``longest`` positions, with ``free`` bytes.

    Args:
        codes: the number of codes of one picture.
        rows: the rows of every picture: 1 without guidance, and otherwise 2 or more.
        prompts: the number of distinct prompts; each is read once for each row of a picture.
        previews: pictures are decoded while others are drawn.
        looks: the most pictures that one prompt has, by pathway.

    Raises:
        ResourceError: not even one fits.
    """
    pixels = needs.pixels[pathway]
    done = pictures * pixels if device == "cpu" else 0  # finished pictures, one byte per value, are kept on the host

    def estimate(count: int, decoded: int) -> MemoryEstimate:
        all_rows = count * rows
        distinct = min(count, prompts)
        read = distinct * rows
        cache = all_rows * ((longest + codes) * needs.cache + needs.state)
        # Prompts that several rows share are read into a cache of their own, which is then copied, layer by layer.
        once = read * (longest * needs.cache + needs.state)
        reading = _reading(needs, read, longest) + (once - cache if read < all_rows else 0)
        copying = once + all_rows * (longest * needs.cache + needs.state) // needs.layers
        seeing = int(_SLACK * read * sum(pictures * needs.look[name] for name, pictures in (looks or {}).items()))
        stepping = int(_SLACK * all_rows * needs.code[pathway]) + count * codes * 8
        decoding = int(_SLACK * decoded * needs.decode[pathway]) + 2 * count * pixels * needs.number
        return MemoryEstimate(
            cache, done + max(reading, copying, seeing, stepping, decoding - (0 if previews else cache))
        )

    advice = ["shorten the prompt"] if longest > codes // 4 else []
    if rows > 1:
        saves = "halves the keys and values" if rows == 2 else f"takes 1/{rows} of the keys and values"
        advice.append(f"draw with guidance 1, which {saves}")
    return _fitted("pictures", pictures, estimate, needs, free, device, advice)


def plan_answers(
    needs: Needs,
    *,
    answers: int,
    longest: int,
    more: int,
    looks: dict[str, int],
    free: int,
    device: str = "cpu",
    shared: bool = False,
) -> MemoryPlan:
    """Plan ``answers`` of up to ``more`` tokens to prompts of up to ``longest`` positions, with ``free`` bytes.

    ``looks``: the most pictures that one prompt has, by pathway. ``shared``: what prompts have in common is read into a
    cache of its own, which is then copied. Raises ``ResourceError`` where not even one fits.
    """

    def estimate(count: int, _: int) -> MemoryEstimate:
        cache = count * ((longest + more) * needs.cache + needs.state)
        seeing = int(_SLACK * count * sum(pictures * needs.look[name] for name, pictures in looks.items()))
        stepping = int(_SLACK * count * needs.answer)
        # The engine shares prefixes that have at most half of all positions; beside them, one layer is copied.
        copied = count * longest * needs.cache * (needs.layers + 2) // (2 * needs.layers) if shared and count > 1 else 0
        return MemoryEstimate(cache, max(_reading(needs, count, longest) + copied, seeing, stepping))

    advice = ["shorten the prompt", "lower max_new_tokens"]
    if any(looks.values()):
        advice.append("ask about fewer pictures")
    return _fitted("answers", answers, estimate, needs, free, device, advice)


def check_weights(
    needed: int,
    dtype: torch.dtype,
    free: int,
    device: str = "cpu",
    name: str = "the model",
    quantize: str | None = None,
) -> None:
    """Raise ``ResourceError``, with advice, where weights of ``needed`` bytes do not fit into ``free`` bytes."""
    if needed <= free:
        return
    kind = f"{str(dtype).removeprefix('torch.')}{' and ' + quantize if quantize else ''}"
    advice = [f"load it as bfloat16, which takes {size(needed // 2)}"] if dtype.itemsize > 2 and not quantize else []
    advice += [] if quantize == "int4" else ["quantize it to int4" if quantize else "quantize it to int8 or int4"]
    raise ResourceError(
        f"the weights of {name} take {size(needed)} as {kind}, and {size(free)} are free on the device '{device}': "
        + ", ".join([*advice, "free memory"])
        + ", or use another device"
    )


def _reading(needs: Needs, rows: int, longest: int) -> int:
    return int(_SLACK * rows * longest * needs.position) + rows * longest**2 * _MASK


def _fitted(
    what: str,
    total: int,
    estimate: Callable[[int, int], MemoryEstimate],
    needs: Needs,
    free: int,
    device: str,
    advice: list[str],
) -> MemoryPlan:
    """The fewest rounds, of equal size, that fit."""
    available = int(_SHARE * free) - _KERNELS.get(device.partition(":")[0], 0)

    def fits(count: int) -> tuple[int, MemoryEstimate] | None:
        for decoded in range(min(count, DECODED_AT_ONCE), 0, -1):
            needed = estimate(count, decoded)
            if needed.total <= available:
                return decoded, needed
        return None

    most = min(total, MOST)
    while most > 1 and fits(most) is None:
        most -= 1
    at_once = ceil(total / ceil(total / most))
    fitting = fits(at_once)
    if fitting is None:
        raise ResourceError(_refusal(what[:-1], estimate(1, 1), needs, free, device, advice))
    decoded, needed = fitting
    return MemoryPlan(what, total, at_once, decoded, needed.cache, needed.work, needs.weights, free)


def _refusal(what: str, one: MemoryEstimate, needs: Needs, free: int, device: str, advice: list[str]) -> str:
    smaller = ["load the model as bfloat16"] if needs.number > 2 else []
    advice = [*advice, *smaller, "free memory, or use another device"]
    return (
        f"not even one {what} fits into memory: it takes {size(one.cache)} for keys and values and {size(one.work)} to "
        f"compute with, and {size(free)} are free on the device '{device}' beside {size(needs.weights)} of weights: "
        + "; ".join(advice)
    )
