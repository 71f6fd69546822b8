"""How many pictures or answers fit into memory at once: planned from sizes, never found out by running out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from attrs import evolve, frozen

from ..errors import ResourceError
from ..measure.needs import Needs, measure_needs
from ..units import size
from .free_memory import free_memory

if TYPE_CHECKING:
    from ..model.unified_model import UnifiedModel
    from ..sequence.spans import Sequence as SpanSequence

MOST = 64
"""Rows that keep a device busy with a small model; a large one meets the limit of memory first."""

DECODED_AT_ONCE = 16
"""Pictures: more together are not decoded faster."""

_SHARE = 0.95
"""Of the free memory that is used; other programs want a little, and memory is handed out in blocks."""

_SLACK = 1.25
"""What kernels take for themselves beside the tensors they give, as a factor."""

_KERNELS = {"cpu": 64 << 20, "cuda": 256 << 20}
"""What the first kernels take once: buffers of matrix products and convolutions."""

_MASK = 8
"""Bytes for every pair of positions of a prompt: the mask, as booleans while it is put together and as numbers."""


@frozen
class Demand:
    """Bytes that some rows together take beside the weights: keys and values, and activations at their peak."""

    cache: int
    work: int

    @property
    def total(self) -> int:
        return self.cache + self.work


@frozen
class MemoryPlan:
    """What is done together, and what it takes. ``str`` gives a sentence.

    ``what``: "pictures" or "answers". ``at_once``: of the ``total``, in one round; the last round may have fewer.
    ``decoded``: pictures to decode at once. ``cache`` and ``work``: bytes that a full round takes, at its peak;
    ``weights``: those of the model; ``free``: what is free beside them.
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
        once = f"{self.total} {self.what if self.total > 1 else self.what[:-1]}"
        how = f"{once} in {self.rounds} rounds of {self.at_once}" if self.rounds > 1 else f"{once} at once"
        return (
            f"{how}: {size(self.cache)} for keys and values, {size(self.work)} to compute with, beside "
            f"{size(self.weights)} of weights; {size(self.free)} free"
        )


OnPlan = Callable[[MemoryPlan], None]
"""Called once with what is planned, before any work."""


def drawing_planned(
    model: UnifiedModel, rows: Sequence[SpanSequence], pathway: str, *, guided: bool, previews: bool = False
) -> MemoryPlan:
    """``plan_drawing`` for a model and a prompt for each picture, with the memory that is free now."""
    needs = needs_of(model)
    return plan_drawing(
        needs,
        pathway,
        pictures=len(rows),
        longest=max(map(len, rows)),
        codes=model.plan.pathways[pathway].tokens,
        guided=guided,
        prompts=len({tuple(row.ids) for row in rows}),
        free=free_memory(model.device, needs.weights),
        device=model.device.type,
        previews=previews,
    )


def answers_planned(model: UnifiedModel, rows: Sequence[SpanSequence], more: int) -> MemoryPlan:
    """``plan_answers`` for a model and its prompts, with the memory that is free now."""
    needs = needs_of(model)
    looks: dict[str, int] = {}
    for row in rows:
        seen = [span.pathway or "" for span in row.spans if span.kind != "text"]
        looks |= {name: max(looks.get(name, 0), seen.count(name)) for name in seen}
    return plan_answers(
        needs,
        answers=len(rows),
        longest=max(map(len, rows)),
        more=more,
        looks=looks,
        free=free_memory(model.device, needs.weights),
        device=model.device.type,
    )


_KNOWN: WeakKeyDictionary[UnifiedModel, tuple[torch.dtype, Needs]] = WeakKeyDictionary()


def needs_of(model: UnifiedModel) -> Needs:
    """What a model takes: activations from its plan, found once, and the weights that it really has."""
    tensors = {*model.parameters(), *model.buffers()}
    dtype = next((tensor.dtype for tensor in model.parameters() if tensor.is_floating_point()), torch.float32)
    known = _KNOWN.get(model)
    if known is None or known[0] != dtype:
        known = _KNOWN[model] = dtype, measure_needs(model.plan, dtype)
    return evolve(known[1], weights=sum(tensor.nbytes for tensor in tensors))


def plan_drawing(
    needs: Needs,
    pathway: str,
    *,
    pictures: int,
    longest: int,
    codes: int,
    guided: bool,
    prompts: int,
    free: int,
    device: str = "cpu",
    previews: bool = False,
) -> MemoryPlan:
    """How to draw ``pictures`` whose longest prompt has so many positions, with ``free`` bytes.

    Args:
        codes: of one picture.
        guided: every picture has a second row, which does without the prompt.
        prompts: different ones; each is read once, and once more blanked.
        previews: pictures are decoded while others are drawn.

    Raises:
        ResourceError: not even one fits.
    """
    twice = 2 if guided else 1
    pixels = needs.pixels[pathway]
    done = pictures * pixels if device == "cpu" else 0  # finished ones, a byte a value; they are kept on the host

    def demand(count: int, decoded: int) -> Demand:
        rows = count * twice
        read = min(count, prompts) * twice
        cache = rows * (longest + codes) * needs.cache
        # Prompts that several rows share are read into a cache of their own, which is then copied, layer by layer.
        once = read * longest * needs.cache
        reading = _reading(needs, read, longest) + (once - cache if read < rows else 0)
        copying = once + rows * longest * needs.cache // needs.layers
        stepping = int(_SLACK * rows * needs.code[pathway]) + count * codes * 8
        decoding = int(_SLACK * decoded * needs.decode[pathway]) + 2 * count * pixels * needs.number
        return Demand(cache, done + max(reading, copying, stepping, decoding - (0 if previews else cache)))

    advice = ["shorten the prompt"] if longest > codes // 4 else []
    if guided:
        advice.append("draw with guidance 1, which halves the keys and values")
    return _fitted("pictures", pictures, demand, needs, free, device, advice)


def plan_answers(
    needs: Needs, *, answers: int, longest: int, more: int, looks: dict[str, int], free: int, device: str = "cpu"
) -> MemoryPlan:
    """How to give ``answers`` of up to ``more`` tokens to prompts of up to ``longest`` positions, with ``free`` bytes.

    ``looks``: the most pictures that one prompt has, by pathway. Raises ``ResourceError`` where not even one fits.
    """

    def demand(count: int, _: int) -> Demand:
        cache = count * (longest + more) * needs.cache
        seeing = int(_SLACK * count * sum(pictures * needs.look[name] for name, pictures in looks.items()))
        stepping = int(_SLACK * count * needs.answer)
        return Demand(cache, max(_reading(needs, count, longest), seeing, stepping))

    advice = ["shorten the prompt", "lower max_new_tokens"]
    if any(looks.values()):
        advice.append("ask about fewer pictures")
    return _fitted("answers", answers, demand, needs, free, device, advice)


def check_weights(
    needed: int,
    dtype: torch.dtype,
    free: int,
    device: str = "cpu",
    name: str = "the model",
    quantize: str | None = None,
) -> None:
    """Raises ``ResourceError`` where weights of so many bytes do not fit, with what would help."""
    if needed <= free:
        return
    kind = f"{str(dtype).removeprefix('torch.')}{' and ' + quantize if quantize else ''}"
    ways = [f"load it as bfloat16, which takes {size(needed // 2)}"] if dtype.itemsize > 2 and not quantize else []
    ways += [] if quantize == "int4" else ["quantize it to int4" if quantize else "quantize it to int8 or int4"]
    raise ResourceError(
        f"the weights of {name} take {size(needed)} as {kind}, and {size(free)} are free on the device '{device}': "
        + ", ".join([*ways, "free memory"])
        + ", or use another device"
    )


def _reading(needs: Needs, rows: int, longest: int) -> int:
    return int(_SLACK * rows * longest * needs.position) + rows * longest**2 * _MASK


def _fitted(
    what: str,
    total: int,
    demand: Callable[[int, int], Demand],
    needs: Needs,
    free: int,
    device: str,
    advice: list[str],
) -> MemoryPlan:
    """The fewest rounds, of equal size, that fit."""
    room = int(_SHARE * free) - _KERNELS.get(device.partition(":")[0], 0)

    def fits(count: int) -> tuple[int, Demand] | None:
        for decoded in range(min(count, DECODED_AT_ONCE), 0, -1):
            wanted = demand(count, decoded)
            if wanted.total <= room:
                return decoded, wanted
        return None

    most = min(total, MOST)
    while most > 1 and fits(most) is None:
        most -= 1
    at_once = ceil(total / ceil(total / most))
    found = fits(at_once)
    if found is None:
        raise ResourceError(_refusal(what[:-1], demand(1, 1), needs, free, device, advice))
    decoded, wanted = found
    return MemoryPlan(what, total, at_once, decoded, wanted.cache, wanted.work, needs.weights, free)


def _refusal(what: str, one: Demand, needs: Needs, free: int, device: str, advice: list[str]) -> str:
    smaller = ["load the model as bfloat16"] if needs.number > 2 else []
    ways = [*advice, *smaller, "free memory, or use another device"]
    return (
        f"not even one {what} fits into memory: it takes {size(one.cache)} for keys and values and {size(one.work)} to "
        f"compute with, and {size(free)} are free on the device '{device}' beside {size(needs.weights)} of weights: "
        + "; ".join(ways)
    )
