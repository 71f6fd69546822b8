"""Many generations at a time: one forward per step for the rows of all of them, whenever they began.

R rows of a generation    H hidden width
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import torch
from torch import Tensor

from ...errors import JaniformError
from .engine import DecodeState, EagerEngine, check_finite, engine_of, generating
from .rows import DecodingRows
from .steps import Decode, Prefill, Project, Steps

if TYPE_CHECKING:
    from ...model.unified_model import UnifiedModel
    from .prefix_store import PrefixStore

T = TypeVar("T")


class RunningGeneration(Generic[T]):
    """A generation that was started. ``done``: it has ended, with its ``result`` or with ``error``.

    ``reused``: the positions of its prompt that were taken from a ``PrefixStore``.
    """

    def __init__(self, steps: Steps[T]) -> None:
        self.steps = steps
        self.done = False
        self.error: Exception | None = None
        self.group: DecodingRows | None = None
        self.rows: list[int] = []
        self.reused = 0
        self.asks: Prefill | Decode | None = None
        self._result: T | None = None

    @property
    def result(self) -> T:
        return cast(T, self._result)

    def resume(self, received: Tensor | None) -> None:
        """Go on to what it asks next, or to its end."""
        try:
            # A generation that was not begun takes nothing.
            self.asks = self.steps.send(cast(Tensor, received))
        except StopIteration as end:
            self._result = end.value
            self.end()
            return
        except Exception as error:
            self.end(error)
            return
        if isinstance(self.asks, Decode) and self.asks.keep is not None:
            self._keep(self.asks.keep)
        if isinstance(self.asks, Prefill):
            self._keep(())

    def end(self, error: Exception | None = None) -> None:
        """End it, and free its rows."""
        self.error, self.done, self.asks = error, True, None
        self._keep(())
        self.steps.close()

    def _keep(self, kept: Sequence[int]) -> None:
        if self.group is None:
            return
        keep = set(kept)
        self.group.leave([row for number, row in enumerate(self.rows) if number not in keep])
        self.rows = [self.rows[number] for number in kept]
        if not self.rows:
            self.group = None


class RunningBatch:
    """Generations of one model that share their steps; used within ``janiform.generating``.

    What a generation receives depends on its own prompts and settings, not on the others, except for rounding.

    Rows of generations are decoded together where the engine is the default one, the backbone has a ``KVCache`` and
    the rows use the same set of weights. Others are decoded side by side, one forward for each group.

    Args:
        stored: prompts that were read, for generations of one prompt each. It is used with the default engine and a
            ``KVCache`` only.
    """

    def __init__(self, model: UnifiedModel, stored: PrefixStore | None = None) -> None:
        self._model = model
        self._engine = engine_of(model)
        self._own_cache = hasattr(model.part("backbone"), "new_cache")
        usable = isinstance(self._engine, EagerEngine) and not self._own_cache
        self._stored = stored if usable else None
        self._groups: list[DecodingRows] = []
        self._running: list[RunningGeneration[Any]] = []

    @property
    def rows(self) -> int:
        """The number of rows that the next step reads."""
        return sum(len(each.rows) for each in self._running)

    def start(self, generations: Iterable[Steps[T]]) -> list[RunningGeneration[T]]:
        """Begin generations; their prompts are read by the next step."""
        started = [RunningGeneration(steps) for steps in generations]
        for each in started:
            each.resume(None)
        self._running += [each for each in started if not each.done]
        return started

    def end(self, running: RunningGeneration[Any], error: Exception | None = None) -> None:
        """End a generation before its end."""
        running.end(error)
        self._tidy()

    def step(self) -> None:
        """Take every generation one step further: read the prompts of those that ask for it, and decode the others."""
        waiting = list(self._running)
        self._read([each for each in waiting if isinstance(each.asks, Prefill)])
        for group in list(self._groups):
            members = [each for each in waiting if each.group is group and isinstance(each.asks, Decode)]
            if members:
                self._decode(group, members)
        for each in waiting:
            if each.asks is None and not each.done:
                each.resume(None)
        self._tidy()

    def _tidy(self) -> None:
        self._running = [each for each in self._running if not each.done]
        self._groups = [group for group in self._groups if group.live]
        for group in self._groups:
            if moved := group.shrink():
                for each in self._running:
                    if each.group is group:
                        each.rows = [moved.get(row, row) for row in each.rows]

    def _read(self, readers: list[RunningGeneration[Any]]) -> None:
        readers = [each for each in readers if not self._read_rest(each)]
        for alone, members in _together(readers):
            try:
                self._prefill(members, alone)
            except JaniformError as error:
                if len(members) == 1:
                    members[0].end(error)
                    continue
                for each in members:  # to find whose fault it is
                    self._read([each])

    def _read_rest(self, reader: RunningGeneration[Any]) -> bool:
        """Read the prompt of a generation after what is stored of it; whether that was so."""
        ask = cast(Prefill, reader.asks)
        if self._stored is None or len(ask.prompts) != 1 or ask.prefix is not None:
            return False
        read = self._stored.read(ask.prompts[0], ask.more)
        if read is None:
            return False
        state, reader.reused = read
        try:
            check_finite(state.hidden)
        except JaniformError as error:
            reader.end(error)
            return True
        reader.group, reader.rows = self._placed(state, [ask.more], ask.route, alone=False)
        self._give([reader], [ask.project], [state.hidden])
        return True

    def _prefill(self, members: list[RunningGeneration[Any]], alone: bool) -> None:
        asked = [cast(Prefill, each.asks) for each in members]
        prompts = [prompt for ask in asked for prompt in ask.prompts]
        more = [ask.more for ask in asked for _ in ask.prompts]
        state = self._engine.prefill(prompts, max(more), *(() if asked[0].prefix is None else (asked[0].prefix,)))
        check_finite(state.hidden)
        if self._stored is not None and not alone:
            first = 0
            for ask in asked:
                if len(ask.prompts) == 1:
                    self._stored.keep(ask.prompts[0], state, first)
                first += len(ask.prompts)
        group, rows = self._placed(state, more, asked[0].route, alone)
        hidden, first = [], 0
        for each, ask in zip(members, asked, strict=True):
            last = first + len(ask.prompts)
            each.group, each.rows = group, rows[first:last]
            hidden.append(state.hidden[first:last])
            first = last
        self._give(members, [ask.project for ask in asked], hidden)

    def _placed(
        self, state: DecodeState, more: Sequence[int], route: int, alone: bool
    ) -> tuple[DecodingRows, list[int]]:
        """Prompts that were read, among the rows of others where they can be."""
        shared = not alone and not self._own_cache
        for group in self._groups:
            if shared and group.shared and group.route == route and group.live:
                return group, group.join(state, more)
        group = DecodingRows(self._model, self._engine, state, more, route, shared=shared)
        self._groups.append(group)
        return group, list(range(len(more)))

    def _decode(self, group: DecodingRows, members: list[RunningGeneration[Any]]) -> None:
        asked = [cast(Decode, each.asks) for each in members]
        try:
            hidden = group.decode([each.rows for each in members], [ask.embeddings for ask in asked])
        except Exception as error:
            for each in members:
                each.end(error)
            return
        self._give(members, [ask.project for ask in asked], hidden)

    def _give(
        self, members: list[RunningGeneration[Any]], projects: list[Project | None], hidden: list[Tensor]
    ) -> None:
        """Resume generations with their states, projected together where they project in the same way."""
        pending = list(zip(members, projects, hidden, strict=True))
        while pending:
            project = pending[0][1]
            same = [item for item in pending if item[1] == project]
            pending = [item for item in pending if item[1] != project]
            states = [each for _, _, each in same]
            if project is not None and len(states) > 1:
                states = list(torch.split(project(torch.cat(states)), [len(each) for each in states]))
            elif project is not None:
                states = [project(states[0])]
            for (each, _, _), received in zip(same, states, strict=True):
                each.resume(received)


def _together(readers: list[RunningGeneration[Any]]) -> list[tuple[bool, list[RunningGeneration[Any]]]]:
    """Generations whose prompts are read together, and whether their rows must stay apart from others."""
    alone = [(True, [each]) for each in readers if cast(Prefill, each.asks).prefix is not None]
    others = [each for each in readers if cast(Prefill, each.asks).prefix is None]
    route = lambda each: cast(Prefill, each.asks).route  # noqa: E731
    return [*alone, *((False, list(some)) for _, some in groupby(sorted(others, key=route), key=route))]


def run_steps(model: UnifiedModel, steps: Steps[T]) -> T:
    """Run one generation to its end, in evaluation mode and without gradients; its result.

    Raises what it raises, and ``JaniformError`` where the model's states of its prompts are not finite.
    """
    with generating(model):
        batch = RunningBatch(model)
        (running,) = batch.start([steps])
        while not running.done:
            batch.step()
    if running.error is not None:
        raise running.error
    return running.result
