"""The nodes of one run, as training asks for them: a stage that is finished anywhere is taken instead of trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from torch import nn

from ..errors import Problem, UsageError
from ..model.unified_model import UnifiedModel
from ..train.run.nodes import NodeFacts
from .keys import StageKey
from .nodes import NodeStore, StoredNode, fill


class StudyNodes:
    """Takes finished stages from stores, and keeps those that this run finishes in the first store.

    Between ``take``, which gives nothing, and ``keep`` the lock of the stage's key is held, so that another run that
    needs the stage waits for it.

    Args:
        keys: of the run's stages.
        beside: versions and hardware of this process, which are compared with those of nodes.
        strict: refuse nodes whose versions or hardware differ.
        waiting, began: called with a stage's name where another process trains it, and when this run begins it
            ("trained") or takes it ("reused").
        say: called with a sentence about a stage that was trained by other versions or hardware.
    """

    def __init__(
        self,
        keys: Mapping[str, StageKey],
        stores: Sequence[Path],
        beside: Mapping[str, Any],
        strict: bool,
        waiting: Callable[[str], None],
        began: Callable[[str, str], None],
        say: Callable[[str], None],
    ) -> None:
        self.keys, self.beside, self.strict = keys, beside, strict
        self.waiting, self.began, self.say = waiting, began, say
        self.own, *self.others = map(NodeStore, stores)
        self._held = ExitStack()

    def take(self, stage: str, model: UnifiedModel) -> NodeFacts | None:
        """Fill a model with what a stage leaves, where that is stored; else hold the stage's lock, and return None."""
        key = self.keys[stage]
        self._held.enter_context(self.own.lock(key, lambda: self.waiting(stage)))
        for store in (self.own, *self.others):
            node = store.find(key)
            if node is not None:
                self._compare(stage, node)
                fill(model, node)
                self._held.close()
                self.began(stage, "reused")
                return node.facts
        self.began(stage, "trained")
        return None

    def keep(self, stage: str, model: UnifiedModel, changed: Mapping[str, nn.Module], facts: NodeFacts) -> None:
        """Store what a stage left, unless it changed a part that its key does not say."""
        key = self.keys[stage]
        if set(changed) <= set(key.trained):
            self.own.write(key, changed, facts, self.beside)
        self._held.close()

    def close(self) -> None:
        """Release the lock of a stage that was not finished."""
        self._held.close()

    def _compare(self, stage: str, node: StoredNode) -> None:
        then = node.beside
        different = {name: (then.get(name), now) for name, now in self.beside.items() if then.get(name) != now}
        if not different:
            return
        listed = ", ".join(f"{name} {old} there, {new} here" for name, (old, new) in different.items())
        sentence = f"stage {stage} of {node.folder} was trained with other versions or hardware: {listed}"
        if self.strict:
            raise UsageError(Problem(sentence, hint="leave out --strict-reuse, or --reuse"))
        self.say(sentence)
