"""A decode step in memory that stays where it is, so that it can be recorded once and replayed: a CUDA graph.

A step of the eager engine launches hundreds of kernels from Python, and on a GPU they take longer to launch than to
run. ``GraphEngine`` records the backbone's step once for each number of rows and each length, both rounded up, and
replays it. What differs from step to step is read from memory on the device: the embeddings, the positions, the index
at which keys and values are written, and which positions are seen. Nothing in the step waits for the host, and no shape
depends on a value. Sampling, guidance and embedding are launched behind it, and wait for the host no more than it does.

R rows    L positions of the memory    S positions that a step reads    H hidden width
"""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ...sequence.cache import KVCache
from ...sequence.mask import Compiled, Mask
from .engine import DecodeState, EagerEngine

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel

ROWS = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128)
"""Numbers of rows that steps are recorded for; a step of more rows than the last one is recorded for its own number."""

KEYS = 128
"""Steps are recorded for multiples of this number of positions: fewer than that are read and not filled."""

MOST_STEPS = 64
"""Steps that are kept for one memory; the one that was recorded first is dropped for another."""

Step = Callable[[], None]


class GraphEngine(EagerEngine):
    """Prefill as the eager engine's; decode steps are recorded as CUDA graphs, and on other devices run as they are.

    Steps of backbones with a cache of their own or several sets of weights, and under other kernels than ``sdpa``, are
    the eager engine's. So is everything after a step that could not be recorded: ``reason`` says why.
    """

    copies = 2
    """How often keys and values exist at the most: prompts are read into a cache, which is then moved."""

    def __init__(self, model: UnifiedModel) -> None:
        super().__init__(model)
        self.reason = ""
        self.recorded = 0
        self.seconds = 0.0
        """How many graphs were recorded, and how long that took."""
        self._memories: list[StaticMemory] = []
        self._pool: Any = None

    def decode(self, state: DecodeState, embeddings: Tensor) -> Tensor:
        """Read one more position of every row; see ``Engine``."""
        cache = state.cache
        if self.reason or state.routes is not None or not isinstance(cache, KVCache) or not _by_sdpa(state.mask):
            return super().decode(state, embeddings)
        memory = self._memory(state, cache, embeddings)
        rows, filled = len(embeddings), state.cache.filled
        memory.embeddings[:rows] = embeddings
        key = next((size for size in ROWS if size >= rows), rows), min(_rounded(filled + 1), memory.length)
        if key not in memory.steps:
            try:
                step = self._step(memory, *key)
            except torch.OutOfMemoryError:
                return super().decode(state, embeddings)
            except RuntimeError as error:
                self.reason = f"the decode step was not recorded: {str(error).splitlines()[0]}"
                return super().decode(state, embeddings)
            if len(memory.steps) == MOST_STEPS:
                del memory.steps[next(iter(memory.steps))]
            memory.steps[key] = step
        memory.steps[key]()
        cache = state.cache
        assert isinstance(cache, KVCache)
        cache.advance(1)
        return memory.hidden[:rows].clone()

    def _memory(self, state: DecodeState, cache: KVCache, like: Tensor) -> StaticMemory:
        """The memory that holds a state's keys and values; those that are elsewhere are moved there."""
        for memory in self._memories:
            if memory.holds(cache):
                if memory.state() is not state:  # rows have joined or left
                    memory.bind(state)
                return memory
        rows, length = len(like), cache.length
        self._memories = [one for one in self._memories if one.state() is not None or one.fits(rows, length, like)]
        free = [one for one in self._memories if one.state() in (None, state) and one.fits(rows, length, like)]
        if not free:
            free.append(
                StaticMemory(cache, next((size for size in ROWS if size >= rows), rows), _rounded(length), like)
            )
            self._memories.append(free[0])
        free[0].take(state, cache)
        return free[0]

    def _step(self, memory: StaticMemory, rows: int, keys: int) -> Step:
        step = memory.step(self.model, rows, keys)
        if memory.keys.device.type != "cuda":
            return step
        began = time.perf_counter()
        if self._pool is None:
            # All graphs share their memory: each is read out before another one runs.
            self._pool = torch.cuda.graph_pool_handle()
        recorded = _recorded(step, memory, self._pool)
        torch.cuda.synchronize()
        self.recorded, self.seconds = self.recorded + 1, self.seconds + time.perf_counter() - began
        return recorded


class StaticMemory:
    """What decode steps read and write, for at most ``rows`` rows of at most ``length`` positions.

    ``keys`` and ``values`` [layers, R, kv_heads, L, head_width]; ``seen`` bool [R, 1, 1, L]; ``embeddings`` [R, 1, H]
    of the next position, ``positions`` int64 [R, 1] and ``index`` int64 [1], at which its keys are written; ``hidden``
    [R, H] of the last one. ``last`` int64 [1] is the largest position.
    """

    def __init__(self, like: KVCache, rows: int, length: int, embeddings: Tensor) -> None:
        layers, _, heads, _, width = like.keys.shape
        device = like.keys.device
        self.rows, self.length = rows, length
        self.keys = torch.zeros(layers, rows, heads, length, width, dtype=like.keys.dtype, device=device)
        self.values = torch.zeros_like(self.keys)
        self.seen = torch.zeros(rows, 1, 1, length, dtype=torch.bool, device=device)
        self.embeddings = embeddings.new_zeros(rows, 1, embeddings.shape[-1])
        self.hidden = embeddings.new_zeros(rows, embeddings.shape[-1])
        self.positions = torch.zeros(rows, 1, dtype=torch.int64, device=device)
        self.index = torch.zeros(1, dtype=torch.int64, device=device)
        self.last = torch.zeros(1, dtype=torch.int64, device=device)
        self.steps: dict[tuple[int, int], Step] = {}
        self.state: Callable[[], DecodeState | None] = lambda: None

    def holds(self, cache: KVCache) -> bool:
        """Whether a cache is a view of this memory."""
        return cache.keys.data_ptr() == self.keys.data_ptr() and cache.keys.stride() == self.keys.stride()

    def fits(self, rows: int, length: int, like: Tensor) -> bool:
        """Whether rows of embeddings like these, and their positions, fit."""
        same = like.dtype == self.embeddings.dtype and like.device == self.embeddings.device
        return same and rows <= self.rows and length <= self.length

    def take(self, state: DecodeState, cache: KVCache) -> None:
        """Copy a state's keys and values, and make its cache a view of them."""
        filled, rows = cache.filled, cache.rows
        self.keys[:, :rows, :, :filled] = cache.keys[:, :, :, :filled]
        self.values[:, :rows, :, :filled] = cache.values[:, :, :, :filled]
        view = KVCache.__new__(KVCache)
        view.keys, view.values, view.filled = self.keys[:, :rows], self.values[:, :rows], filled
        state.cache = view
        self.bind(state)

    def bind(self, state: DecodeState) -> None:
        """Go on with the rows of a state whose cache is a view of this memory."""
        rows, filled = len(state.positions), state.cache.filled
        seen, _ = state.mask.compiled(1, filled + 1, self.seen.device)
        self.seen.zero_()
        self.seen[:rows, :, :, :filled] = True if seen is None else seen[..., :filled]
        self.positions[:rows] = state.positions
        self.positions[rows:] = 0
        state.positions = self.positions[:rows]
        self.index.fill_(filled)
        # Rows beyond those of the state, and those that have ended, are carried on within the tables of positions.
        limit = self.length - 1
        self.last.fill_(limit if state.last_position is None else min(state.last_position, limit))
        self.state = weakref.ref(state)

    def step(self, model: UnifiedModel, rows: int, keys: int) -> Step:
        """A step of the first ``rows`` rows, which reads the first ``keys`` positions."""
        cache, mask = StepCache(self, rows, keys), StepMask(self.seen[:rows, :, :, :keys])
        embeddings, positions = self.embeddings[:rows], self.positions[:rows]

        def run() -> None:
            self.seen.index_fill_(-1, self.index, True)
            self.hidden[:rows] = model.run(embeddings, positions, mask, cache)[:, -1]
            self.index.add_(1)
            torch.minimum(self.positions + 1, self.last, out=self.positions)

        return run


class StepCache(KVCache):
    """The cache that a recorded step writes to, at an index on the device. It reads all positions up to a fixed one."""

    rewinds = False

    def __init__(self, memory: StaticMemory, rows: int, keys: int) -> None:
        self.keys, self.values = memory.keys[:, :rows], memory.values[:, :rows]
        self.filled = keys - 1
        self._index, self._keys = memory.index, keys

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write keys and values [R, kv_heads, 1, head_width]; returns views of the positions that are read."""
        for memory, new in ((self.keys, keys), (self.values, values)):
            memory[layer].index_copy_(2, self._index, new.to(memory.dtype))
        return self.keys[layer, :, :, : self._keys], self.values[layer, :, :, : self._keys]

    def advance(self, new: int) -> None:
        """Nothing: the index is counted on the device."""


class StepMask(Mask):
    """The mask of a recorded step: ``seen`` bool [R, 1, 1, S], which changes on the device."""

    def __init__(self, seen: Tensor) -> None:
        super().__init__(None)
        self.documents = seen.new_zeros(1, dtype=torch.int64)  # kernels take a mask without documents for an empty one
        self._seen = seen

    def compiled(self, queries: int, keys: int, device: torch.device) -> Compiled:
        """The mask as it is on the device."""
        return self._seen, False


def _by_sdpa(mask: Mask) -> bool:
    return mask.attention is None or mask.attention.name.startswith("sdpa@")


def _rounded(length: int) -> int:
    return -(-length // KEYS) * KEYS


def _recorded(step: Step, memory: StaticMemory, pool: Any) -> Step:
    """A step as a CUDA graph, which has not run yet. Raises ``RuntimeError`` for one that cannot be recorded."""
    before = [(tensor, tensor.clone()) for tensor in (memory.index, memory.positions)]
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        inputs = _StoragesRead()
        for watched in (contextlib.nullcontext(), inputs):  # in the first, modules make their tables
            with watched:
                step()
            for tensor, value in before:
                tensor.copy_(value)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool):
        step()

    def replay(kept: Sequence[Any] = tuple(inputs.storages.values())) -> None:
        graph.replay()

    return replay


class _StoragesRead(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What a step reads and does not make itself: a graph knows addresses only, so it must not be freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.storages: dict[int, torch.UntypedStorage] = {}
        self._made: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        read = {storage.data_ptr(): storage for storage in _storages((args, kwargs or {}))}
        self.storages |= {address: storage for address, storage in read.items() if address not in self._made}
        out = func(*args, **(kwargs or {}))
        self._made |= {storage.data_ptr() for storage in _storages(out)} - self.storages.keys()
        return out


def _storages(values: Any) -> list[torch.UntypedStorage]:
    leaves = torch.utils._pytree.tree_leaves(values)
    return [leaf.untyped_storage() for leaf in leaves if isinstance(leaf, Tensor)]
