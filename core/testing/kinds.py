"""What parts of one kind promise beside that."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..loss import Loss
from ..sequence.cache import KVCache
from ..sequence.mask import Mask
from .case import ROWS, Case, demand
from .common import apart, near


def encodes_codes_of_its_port(case: Case) -> None:
    """Pixels to codes of the declared grid, depth and vocabulary, each picture alone."""
    module, pixels, port = case.build(), case.inputs(), case.gives
    codes = module.encode(pixels)  # type: ignore[operator]
    wanted = [ROWS, port.tokens, port.depth]
    demand(
        codes.dtype == torch.int64 and list(codes.shape) == wanted,
        f"{case.name}: declares {port}, so encode gives int64 {wanted}; it gave {codes.dtype} {list(codes.shape)}",
    )
    low, high = int(codes.min()), int(codes.max())
    demand(low >= 0 and high < port.vocabulary, f"{case.name}: gave codes {low} .. {high}, of {port.vocabulary}")
    alone = torch.cat([module.encode(pixels[row : row + 1]) for row in range(ROWS)])  # type: ignore[operator]
    demand(torch.equal(alone, codes), f"{case.name}: a picture has other codes beside others than alone")


def gives_vectors_of_its_width(case: Case) -> None:
    """``vectors`` of codes are [B, N, width], equal for equal codes."""
    module, codes, port = case.build(), case.codes(), case.gives
    vectors = module.vectors(codes)  # type: ignore[operator]
    wanted = [ROWS, port.tokens, port.width]
    demand(list(vectors.shape) == wanted, f"{case.name}: vectors are {list(vectors.shape)}, not {wanted}")
    same = torch.full_like(codes, int(codes.flatten()[0]))
    flat = module.vectors(same).flatten(0, 1)  # type: ignore[operator]
    demand(torch.equal(flat, flat[:1].expand_as(flat)), f"{case.name}: one code has several vectors")


def embeds_codes_one_by_one(case: Case) -> None:
    """A code has the vector alone, told its place, that it has among all of its picture: so pictures are drawn."""
    module, codes = case.build(), case.codes()
    whole = module(codes)
    for place in range(codes.shape[1]):
        alone = module(codes[:, place : place + 1], place)
        demand(
            near(alone, whole[:, place : place + 1], 1e-6),
            f"{case.name}: code {place} of a picture has another vector alone than among all: count from `first`",
        )


def loses_as_sums_and_counts(case: Case) -> None:
    """Losses of a tokenizer are finite ``Loss`` pairs, and its figures are scalars."""
    module, pixels = case.build(), case.inputs(4)
    whole, figures = module.losses(pixels)  # type: ignore[operator]
    demand(bool(whole), f"{case.name}: has no losses to train by")
    for name, loss in whole.items():
        demand(isinstance(loss, Loss), f"{case.name}: the loss '{name}' is {type(loss).__name__}, not a janiform.Loss")
        demand(math.isfinite(float(loss.mean)), f"{case.name}: the loss '{name}' is not finite")
    for name, figure in figures.items():
        demand(isinstance(figure, Tensor) and figure.numel() == 1, f"{case.name}: the figure '{name}' is no scalar")


def loses_what_a_reference_loses(case: Case) -> None:
    """The loss of a head is the cross-entropy of the logits that it samples from, in float64, and two halves add up.

    Where a code has several levels, what a level's logits follow from is the codes before it: those that were chosen
    when sampling, those of the target in the loss. A class with ``wider = True`` may lose more than its logits say,
    since its softmax has other entries beside the codes.
    """
    module, port = case.build(dtype=torch.float64), case.gives
    hidden = case.inputs(6).double()
    chance = torch.Generator().manual_seed(case.seed)
    codes = torch.randint(port.vocabulary, (6, port.depth), generator=chance)
    loss = module.loss(hidden, codes)  # type: ignore[operator]
    demand(isinstance(loss, Loss), f"{case.name}: loss gives {type(loss).__name__}, not a janiform.Loss")
    demand(float(loss.count) == codes.numel(), f"{case.name}: counts {float(loss.count):g} of {codes.numel()} codes")
    asked: list[Tensor] = []

    def choose(logits: Tensor, level: int) -> Tensor:
        asked.append(logits)
        return codes[:, level]

    module.sample(hidden, choose)  # type: ignore[operator]
    if len(asked) == port.depth:  # otherwise `samples_what_is_chosen` says so
        demand(
            near(asked[0], module(hidden), 1e-6),
            f"{case.name}: the first logits that it samples from are not those that it gives when it is called",
        )
        exact = cross_entropy(torch.cat(asked), codes.T.flatten(), reduction="sum")
        more = float(loss.total) - float(exact)
        wider = bool(getattr(type(module), "wider", False))
        demand(
            abs(more) <= 1e-5 * abs(float(exact)) or (wider and more > 0),
            f"{case.name}: loses {float(loss.total):.6f} nats where its logits lose {float(exact):.6f}",
        )
    parts = module.loss(hidden[:2], codes[:2]) + module.loss(hidden[2:], codes[2:])  # type: ignore[operator]
    demand(
        abs(float(parts.total - loss.total)) <= 1e-5 * abs(float(loss.total)),
        f"{case.name}: the losses of two parts of a batch do not add up to that of the whole: sum, do not average",
    )


def samples_what_is_chosen(case: Case) -> None:
    """``sample`` calls ``choose`` once per level, in order, with logits [R, V], and returns codes [R, d]."""
    module, hidden, port = case.build(), case.inputs(), case.gives
    asked: list[list[int]] = []
    levels: list[int] = []

    def choose(logits: Tensor, level: int) -> Tensor:
        asked.append(list(logits.shape))
        levels.append(level)
        return logits.argmax(dim=-1)

    codes = module.sample(hidden, choose)  # type: ignore[operator]
    demand(
        asked == [[len(hidden), port.vocabulary]] * port.depth,
        f"{case.name}: asked to choose from logits {asked}, not {port.depth} times from "
        f"{[len(hidden), port.vocabulary]}",
    )
    demand(
        levels == list(range(port.depth)),
        f"{case.name}: called choose for the levels {levels}, not for each of 0 to {port.depth - 1} in order",
    )
    demand(list(codes.shape) == [len(hidden), port.depth], f"{case.name}: sampled codes {list(codes.shape)}")


def reads_and_writes_text(case: Case) -> None:
    """Ids to embeddings of the hidden width, hidden states to logits of the vocabulary."""
    module, port = case.build(), case.gives
    ids = torch.arange(min(6, port.vocabulary))[None]
    embedded = module.embed(ids)  # type: ignore[operator]
    demand(
        list(embedded.shape) == [1, ids.shape[1], port.width],
        f"{case.name}: embed gives {list(embedded.shape)}, not {[1, ids.shape[1], port.width]}",
    )
    logits = module.logits(embedded)  # type: ignore[operator]
    demand(logits.shape[-1] == port.vocabulary, f"{case.name}: {logits.shape[-1]} logits, declared {port.vocabulary}")


def looks_back_only(case: Case) -> None:
    """Under a causal mask no position sees a later one."""
    module, inputs = case.build(), case.inputs(1)
    positions = torch.arange(inputs.shape[1])[None]
    whole = module(inputs, positions, Mask.causal())
    changed = inputs.clone()
    changed[:, -1] += 1
    demand(
        near(module(changed, positions, Mask.causal())[:, :-1], whole[:, :-1], 1e-6),
        f"{case.name}: a position hangs on a later one: hand the mask to janiform.attend",
    )


def continues_from_its_cache(case: Case) -> None:
    """A prompt and single steps with a cache give what the whole sequence gives at once."""
    module, inputs, port = case.build(), case.inputs(), case.gives
    rows, length = inputs.shape[:2]
    positions = torch.arange(length).expand(rows, length)
    whole = module(inputs, positions, Mask.causal())
    cache = KVCache(port.layers, rows, port.kv_heads, length, port.head_width)
    first = length // 2
    pieces = [module(inputs[:, :first], positions[:, :first], Mask.causal(), cache)]
    for at in range(first, length):
        pieces.append(module(inputs[:, at : at + 1], positions[:, at : at + 1], Mask.causal(), cache))
    demand(cache.filled == length, f"{case.name}: advanced its cache to {cache.filled} of {length} positions")
    given = torch.cat(pieces, dim=1)
    demand(
        near(given, whole, 1e-5), f"{case.name}: with a cache it differs by {apart(given, whole):.1e} from without one"
    )


def does_not_mind_padding(case: Case) -> None:
    """A row that is padded on its left gives what it gives alone."""
    module, inputs = case.build(), case.inputs(1)
    length, more = inputs.shape[1], 3
    alone = module(inputs, torch.arange(length)[None], Mask.causal())
    padded = torch.cat((torch.full_like(inputs[:, :more], 7.0), inputs), dim=1)
    documents = torch.tensor([[-1] * more + [0] * length])
    positions = torch.tensor([[0] * more + list(range(length))])
    given = module(padded, positions, Mask(documents))[:, more:]
    demand(
        near(given, alone, 1e-5),
        f"{case.name}: padding on the left changes it by {apart(given, alone):.1e}: take the positions that are given, "
        "and hand the mask to janiform.attend",
    )


OF_KIND = {
    "tokenizer": (encodes_codes_of_its_port, gives_vectors_of_its_width, loses_as_sums_and_counts),
    "embedding": (embeds_codes_one_by_one,),
    "head": (loses_what_a_reference_loses, samples_what_is_chosen),
    "backbone": (reads_and_writes_text, looks_back_only, continues_from_its_cache, does_not_mind_padding),
}
