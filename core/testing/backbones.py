"""Conformance tests of backbones: what they must make of positions, masks and caches."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor

from ..ports import Hidden
from ..sequence.cache import Cache, KVCache
from ..sequence.mask import Mask
from ..train.loop.blocks import part_blocks, prepare_blocks
from .calls import apart, call, near
from .case import Case, Failure, require

PADDING = (0, 2, 3)
"""Padding on the left of each row."""


def embeds_ids_and_gives_logits(case: Case) -> None:
    """``embed`` gives vectors of the hidden width, and ``logits`` has the size of the vocabulary."""
    module, port = case.build(), case.gives
    ids = torch.arange(min(6, port.vocabulary))[None]
    embedded = call(case, module, "embed", ids)
    require(embedded.dtype == torch.float32, f"{case.name}: in float32 `embed` gives {embedded.dtype}")
    require(
        list(embedded.shape) == [1, ids.shape[1], port.width],
        f"{case.name}: embed gives {list(embedded.shape)}, not {[1, ids.shape[1], port.width]}",
    )
    logits = call(case, module, "logits", embedded)
    require(
        logits.shape[-1] == port.vocabulary,
        f"{case.name}: gives {logits.shape[-1]} logits, but declares a vocabulary of {port.vocabulary}",
    )


def attends_to_earlier_positions_only(case: Case) -> None:
    """Under a causal mask no position depends on a later one."""
    module, inputs = case.build(), case.inputs(1)
    positions = torch.arange(inputs.shape[1])[None]
    whole = call(case, module, "forward", inputs, positions, mask=Mask.causal())
    changed = _changed(inputs, -1)
    require(
        near(call(case, module, "forward", changed, positions, mask=Mask.causal())[:, :-1], whole[:, :-1], 1e-6),
        f"{case.name}: a position depends on a later one; pass the mask to janiform.attend",
    )


def attends_within_full_blocks(case: Case) -> None:
    """Positions of a full block see one another, and no others see later ones.

    A backbone that cannot do so, such as a recurrent one, says ``full_blocks = False`` in its class; models refuse
    sequences with full blocks then.
    """
    module, inputs = case.build(), case.inputs(1)
    if not case.gives.full_blocks or not getattr(type(module), "full_blocks", True):
        return
    length = inputs.shape[1]
    one = torch.zeros(1, length, dtype=torch.int64)
    first = torch.tensor([[0, 1, 1, 1, *[0] * (length - 4)]])
    _sees_within_full_blocks(case, module, inputs, torch.arange(length)[None], Mask(one, first))
    positions = torch.tensor([[0, 1, 2, *range(length - 3)]])
    two = torch.tensor([[0] * 3 + [1] * (length - 3)])
    second = torch.tensor([[0, 0, 0, 0, 2, 2, *[0] * (length - 6)]])
    _sees_within_full_blocks(case, module, inputs, positions, Mask(two, second), ", in the second document of a row")
    _continues_after_full_blocks(case, module, inputs)


def _sees_within_full_blocks(
    case: Case, module: torch.nn.Module, inputs: Tensor, positions: Tensor, mask: Mask, where: str = ""
) -> None:
    """Checks of a row with one full block that neither begins nor ends it."""

    def outputs(embeddings: Tensor) -> Tensor:
        return call(case, module, "forward", embeddings, positions, mask=mask)  # type: ignore[no-any-return]

    assert mask.blocks is not None
    start, *_, last = mask.blocks[0].nonzero().flatten().tolist()
    whole = outputs(inputs)
    changed = _changed(inputs, last)
    moved = outputs(changed)
    require(
        near(moved[:, :start], whole[:, :start], 1e-6),
        f"{case.name}: a position before a full block depends on what is in it{where}",
    )
    require(
        not near(moved[:, start], whole[:, start], 1e-7),
        f"{case.name}: the first position of a full block does not depend on its last{where}; pass the mask to "
        "janiform.attend, or say `full_blocks = False` in the class",
    )
    changed = _changed(inputs, -1)
    require(
        near(outputs(changed)[:, :-1], whole[:, :-1], 1e-6),
        f"{case.name}: with a full block, a position outside it depends on a later one{where}",
    )


def _continues_after_full_blocks(case: Case, module: torch.nn.Module, inputs: Tensor) -> None:
    """A prompt with two full blocks, as with two pictures, gives the same with a cache as without one."""
    length = inputs.shape[1]
    positions = torch.arange(length)[None]
    documents, blocks = torch.zeros_like(positions), torch.tensor([[0, 1, 1, 2, 2, *[0] * (length - 5)]])
    whole = call(case, module, "forward", inputs, positions, mask=Mask(documents, blocks))
    prompt = length - 1
    mask = Mask.decoding(documents[:, :prompt], blocks[:, :prompt], length=length)
    given = _decoded(case, module, inputs, positions, mask, first=prompt)
    require(
        near(given, whole, 1e-5),
        f"{case.name}: with full blocks in its prompt its outputs with a cache differ by {apart(given, whole):.1e} "
        "from those without one; pass the mask to janiform.attend, or say `full_blocks = False` in the class",
    )
    changed = _changed(inputs, 4)
    moved = call(case, module, "forward", changed, positions, mask=Mask(documents, blocks))
    require(
        not near(moved[:, 3], whole[:, 3], 1e-7) and near(moved[:, :3], whole[:, :3], 1e-6),
        f"{case.name}: of two full blocks, the second is not full, or the first depends on it; pass the mask to "
        "janiform.attend, or say `full_blocks = False` in the class",
    )


def _changed(inputs: Tensor, position: int) -> Tensor:
    """Inputs of which one position is another. Its sign changes, as norms remove what is added or multiplied."""
    changed = inputs.clone()
    changed[:, position] *= -1
    return changed


def keeps_packed_documents_apart(case: Case) -> None:
    """Several documents in one row give what each gives alone."""
    module, inputs = case.build(), case.inputs(1)
    length = inputs.shape[1]
    first = 3
    positions = torch.tensor([[*range(first), *range(length - first)]])
    documents = torch.tensor([[0] * first + [1] * (length - first)])
    packed = call(case, module, "forward", inputs, positions, mask=Mask(documents))
    for number, piece in enumerate((slice(0, first), slice(first, length))):
        alone = call(case, module, "forward", inputs[:, piece], positions[:, piece], mask=Mask.causal())
        require(
            near(packed[:, piece], alone, 1e-5),
            f"{case.name}: document {number + 1} of two in a row differs by {apart(packed[:, piece], alone):.1e} from "
            "the document alone; pass the mask to janiform.attend, and reset other state where the positions are 0",
        )


def continues_from_its_cache(case: Case) -> None:
    """A prompt followed by single and by several positions with a cache gives the same as the whole at once."""
    module, inputs = case.build(), case.inputs()
    rows, length = inputs.shape[:2]
    positions = torch.arange(length).expand(rows, length)
    whole = call(case, module, "forward", inputs, positions, mask=Mask.causal())
    given = _decoded(case, module, inputs, positions, Mask.causal())
    require(
        near(given, whole, 1e-5),
        f"{case.name}: with a cache its outputs differ by {apart(given, whole):.1e} from those without one",
    )
    given = _decoded(case, module, inputs, positions, Mask.causal(), interrupted=True)
    require(
        near(given, whole, 1e-5),
        f"{case.name}: its outputs differ by {apart(given, whole):.1e} where another conversation, with a cache of its "
        "own, is continued in between; keep nothing from one call to the next outside of the cache",
    )


def continues_with_padding_on_the_left(case: Case) -> None:
    """Prompts of several lengths, padded on the left and continued with a cache, give what each gives alone."""
    module, inputs = case.build(), case.inputs()
    rows, length = inputs.shape[:2]
    padding = torch.tensor(PADDING)[:, None]
    positions = (torch.arange(length) - padding).clamp(min=0)
    documents = torch.where(torch.arange(length) < padding, -1, 0)
    prompt = length // 2 + 1
    given = _decoded(case, module, inputs, positions, Mask.decoding(documents[:, :prompt], length=length), first=prompt)
    for row in range(rows):
        real = slice(int(padding[row]), length)
        alone = call(case, module, "forward", inputs[row : row + 1, real], positions[row : row + 1, real],
                     mask=Mask.causal())  # fmt: skip
        require(
            near(given[row : row + 1, real], alone, 1e-5),
            f"{case.name}: with padding on the left and a cache its outputs differ by "
            f"{apart(given[row : row + 1, real], alone):.1e} from those of the row alone; use the given positions and "
            "mask in every step, and keep padding out of other state",
        )


def ignores_padding(case: Case) -> None:
    """A row that is padded on its left gives the same as without padding."""
    module, inputs = case.build(), case.inputs(1)
    length, padding = inputs.shape[1], 3
    alone = call(case, module, "forward", inputs, torch.arange(length)[None], mask=Mask.causal())
    padded = torch.cat((torch.full_like(inputs[:, :padding], 7.0), inputs), dim=1)
    documents = torch.tensor([[-1] * padding + [0] * length])
    positions = torch.tensor([[0] * padding + list(range(length))])
    given = call(case, module, "forward", padded, positions, mask=Mask(documents))[:, padding:]
    require(
        near(given, alone, 1e-5),
        f"{case.name}: padding on the left changes its outputs by {apart(given, alone):.1e}; use the given positions, "
        "and pass the mask to janiform.attend",
    )


def _decoded(
    case: Case,
    module: torch.nn.Module,
    inputs: Tensor,
    positions: Tensor,
    mask: Mask,
    first: int = 2,
    interrupted: bool = False,
) -> Tensor:
    """The outputs of a prompt, then one position, then two at once, then one by one, with a cache.

    ``interrupted``: other inputs, with another cache, are given between the calls.
    """
    (rows, length), port = inputs.shape[:2], case.gives
    cache = _new_cache(module, port, rows, length + 2)
    starts = sorted({0, first, min(first + 1, length), *range(min(first + 3, length), length + 1), length})
    pieces = []
    for start, stop in pairwise(starts):
        step = slice(start, stop)
        pieces.append(call(case, module, "forward", inputs[:, step], positions[:, step], mask=mask, cache=cache))
        require(
            cache.filled == stop,
            f"{case.name}: its cache has {cache.filled} positions after {stop} were given; call `cache.advance(T)` "
            "once in a forward, after the last layer",
        )
        if interrupted:  # another conversation, with a cache of its own
            other = inputs[:, step].flip(-1) * 2
            own = _new_cache(module, port, rows, length + 2)
            places = torch.arange(stop - start).expand(rows, -1)
            call(case, module, "forward", other, places, mask=Mask.causal(), cache=own)
    return torch.cat(pieces, dim=1)


def _new_cache(module: torch.nn.Module, port: Hidden, rows: int, length: int) -> Cache:
    own: Any = getattr(module, "new_cache", None)
    if own is not None:
        return cast(Cache, own(rows, length, torch.float32, torch.device("cpu")))
    return KVCache(port.layers, rows, port.kv_heads, length, port.head_width)


def copies_its_cache(case: Case) -> None:
    """A backbone's own cache can be copied row by row, and the copy and the original are continued apart."""
    module, inputs = case.build(), case.inputs()
    if not hasattr(module, "new_cache"):
        return
    (rows, length), port = inputs.shape[:2], case.gives
    positions = torch.arange(length).expand(rows, -1)
    first, mask = length // 2, Mask.causal()
    whole = call(case, module, "forward", inputs, positions, mask=mask)
    cache = _new_cache(module, port, rows, length + 2)
    call(case, module, "forward", inputs[:, :first], positions[:, :first], mask=mask, cache=cache)
    chosen = torch.tensor([rows - 1, 0, 0])
    copy = cache.take(chosen, length + 2)
    require(
        (copy.rows, copy.filled) == (3, first),
        f"{case.name}: `take` of 3 rows gave a cache of {copy.rows} with {copy.filled} positions, not {first}",
    )
    rest = call(case, module, "forward", inputs[chosen, first:], positions[chosen, first:], mask=mask, cache=copy)
    again = call(case, module, "forward", inputs[:, first:], positions[:, first:], mask=mask, cache=cache)
    require(
        near(rest, whole[chosen, first:], 1e-4) and near(again, whole[:, first:], 1e-4),
        f"{case.name}: gives other outputs after `take` than when all is read at once; a copy shares no memory",
    )
    if cache.rewinds:
        cache.rewind(first)
        again = call(case, module, "forward", inputs[:, first:], positions[:, first:], mask=mask, cache=cache)
        require(near(again, whole[:, first:], 1e-4), f"{case.name}: gives other outputs after `rewind`")


def runs_its_blocks(case: Case) -> None:
    """Every block of a backbone runs in a forward pass, and recomputing all of them changes no value or gradient."""
    module, inputs = case.build(), case.inputs()
    try:
        blocks = part_blocks(module)
    except ValueError as error:
        raise Failure(f"{case.name}: {error}; see Layered in janiform.contracts") from None
    positions = torch.arange(inputs.shape[1]).expand(inputs.shape[:2])

    def learned() -> list[Tensor]:
        module.zero_grad()
        output = call(case, module, "forward", inputs, positions, mask=Mask.causal())
        output.square().sum().backward()
        gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
        return [output.detach(), *(gradient.clone() for gradient in gradients)]

    module.requires_grad_(True)
    plain = learned()
    ran: set[str] = set()
    for name, block in blocks.items():
        block.forward = _noting(ran, name, block.forward)
    prepare_blocks({}, blocks)
    again = learned()
    idle = [name for name in blocks if name not in ran]
    require(
        not idle,
        f"{case.name}: its forward does not call {', '.join(idle)}, so that nothing is recomputed or compiled there; "
        "declare the layers that it calls by a method blocks()",
    )
    require(
        len(plain) == len(again) and all(near(left, right, 1e-5) for left, right in zip(plain, again, strict=True)),
        f"{case.name}: gives other values or gradients when its blocks are recomputed",
    )


def _noting(ran: set[str], name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
    def noting(*arguments: Any, **named: Any) -> Any:
        ran.add(name)
        return forward(*arguments, **named)

    return noting
