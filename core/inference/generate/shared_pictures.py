"""What prompts about the same pictures share: the pictures' features, and keys and values up to the last picture.

Outputs agree with those of prompts that are read whole up to the rounding of matrix products, whose blocking depends on
the number of rows.

R prompts    G shared prefixes    N tokens of a picture    H hidden width
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from attrs import frozen
from torch import Tensor

from ...sequence.cache import KVCache
from ...sequence.spans import Sequence as SpanSequence
from ...sequence.spans import Span

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel

MOST_PICTURES = 16
"""Pictures whose features are kept from one batch for the next."""


class FeatureCache:
    """The features [N, H] of the pictures that were read last, by the content of their pixels or codes.

    ``computed`` counts pictures that went through the encoder.
    """

    def __init__(self, most: int = MOST_PICTURES) -> None:
        self.most = most
        self.computed = 0
        self._features: OrderedDict[str, Tensor] = OrderedDict()
        self._keys: dict[int, tuple[Tensor, str]] = {}

    def key(self, span: Span) -> str:
        """The key of a picture in a pathway; each tensor is read once per batch."""
        picture = cast(Tensor, span.picture)
        kept = self._keys.get(id(picture))
        if kept is None:
            data: Any = picture.detach().cpu().contiguous()
            digest = hashlib.blake2b(f"{data.dtype} {tuple(data.shape)}".encode())
            digest.update(data.view(torch.uint8).numpy())
            kept = self._keys[id(picture)] = picture, digest.hexdigest()
        return f"{span.pathway} {kept[1]}"

    def of(self, model: UnifiedModel, prompts: Sequence[SpanSequence]) -> dict[str, Tensor]:
        """The features [n, N, H] of all pictures of prompts by pathway, in the order in which they are collated."""
        spans = [span for prompt in prompts for span in prompt.spans if span.kind != "text"]
        missing = {key: span for span in spans if (key := self.key(span)) not in self._features}
        if missing:
            self._compute(model, missing)
        features: dict[str, list[Tensor]] = {}
        for span in spans:
            key = self.key(span)
            self._features.move_to_end(key)
            features.setdefault(cast(str, span.pathway), []).append(self._features[key])
        return {pathway: torch.stack(each) for pathway, each in features.items()}

    def trim(self) -> None:
        """Forget pixels, and the features of all but the last pictures; called after each batch."""
        self._keys.clear()
        while len(self._features) > self.most:
            self._features.popitem(last=False)

    def _compute(self, model: UnifiedModel, spans: dict[str, Span]) -> None:
        batch = model.processor.collate([SpanSequence((span,)) for span in spans.values()]).to(model.device)
        for pathway, pictures in batch.pictures.items():
            keys = [key for key, span in spans.items() if span.pathway == pathway]
            for key, features in zip(keys, model.embed_pictures(pictures, pathway), strict=True):
                self._features[key] = features.clone()  # a view would keep those of the whole batch
            self.computed += len(keys)


@frozen(eq=False)
class SharedPrefixes:
    """G prefixes of R prompts, up to each prompt's last picture.

    ``rows`` is the prefix of each prompt. The last ``window`` positions of every prompt are read by themselves: at
    least all that follow its prefix.
    """

    prefixes: list[SpanSequence]
    rows: list[int]
    window: int

    def copy(self, read: KVCache, cache: KVCache, lengths: Sequence[int]) -> None:
        """Fill the cache of R prompts up to the window from that of G prefixes; both are padded on their left."""
        device = cache.keys.device
        longest, longest_prefix = max(lengths), read.filled
        filled = longest - self.window
        rows = torch.tensor(self.rows, device=device)
        starts = torch.tensor([longest - length for length in lengths], device=device)
        offsets = torch.tensor([longest_prefix - len(self.prefixes[row]) for row in self.rows], device=device)
        slots = torch.arange(filled, device=device) - starts[:, None] + offsets[:, None]
        index = slots.clamp(min=0)[:, None, :, None]  # slots of padding hold anything: nothing attends to them
        index = index.expand(-1, cache.keys.shape[2], -1, cache.keys.shape[4])
        for layer in range(len(cache.keys)):
            keys, values = (tensor[layer, rows].gather(2, index) for tensor in (read.keys, read.values))
            cache.append(layer, keys, values)
        cache.advance(filled)


def shared_prefixes(prompts: Sequence[SpanSequence], features: FeatureCache) -> SharedPrefixes | None:
    """The prefixes that prompts share up to their last picture; None where reading them once saves too little.

    It is worth it where prefixes have at most half of all positions, and at least a quarter of the work is saved.
    """
    numbers: dict[tuple[Any, ...], int] = {}
    prefixes: list[SpanSequence] = []
    rows = []
    for prompt in prompts:
        last = max((number for number, span in enumerate(prompt.spans) if span.kind != "text"), default=-1)
        spans = prompt.spans[: last + 1]
        key = tuple((span, "" if span.kind == "text" else features.key(span)) for span in spans)
        if key not in numbers:
            numbers[key] = len(prefixes)
            prefixes.append(SpanSequence(spans))
        rows.append(numbers[key])
    longest = max(map(len, prompts))
    window = max(len(prompt) - len(prefixes[row]) for prompt, row in zip(prompts, rows, strict=True))
    once, whole = len(prefixes) * max(map(len, prefixes)), len(prompts) * longest
    if not 0 < window < longest or not all(map(len, prefixes)):
        return None
    if once > whole / 2 or once + len(prompts) * window > 0.75 * whole:
        return None
    return SharedPrefixes(prefixes, rows, window)
