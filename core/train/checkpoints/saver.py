"""Checkpoints written in the background while training goes on."""

from __future__ import annotations

import threading
from pathlib import Path

from attrs import evolve

from ..distributed.process_group import ALONE, World
from .checkpoint import Checkpoint, save


class Saver:
    """Writes one checkpoint at a time. What is written is a copy in the host's memory, made before ``begin`` returns.

    Args:
        keep: how many of the newest are kept.
    """

    def __init__(self, folder: Path, keep: int, world: World) -> None:
        self.folder, self.keep, self.world = folder, keep, world
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self.failed = False

    def begin(self, checkpoint: Checkpoint, *, alone: bool) -> None:
        """Write a checkpoint, as soon as the one before is on the disk.

        Args:
            alone: this process holds all of it; else every process must call, and writes its part.

        Raises ``StorageError`` where the one before could not be written; so it does on every process.
        """
        self.wait(alone=alone)
        copies = {name: tensor.detach().to("cpu", copy=True) for name, tensor in checkpoint.tensors.items()}
        work = (evolve(checkpoint, tensors=copies), ALONE if alone else self.world)
        # A process that fails must not wait for others that speak no more; alone it finishes what it writes.
        self._thread = threading.Thread(target=self._write, args=work, daemon=self.world.size > 1)
        self._thread.start()

    def wait(self, *, alone: bool) -> None:
        """Wait until nothing is being written. Raises ``StorageError`` where it failed."""

        def ended() -> None:
            if self._thread is not None:
                self._thread.join()
                self._thread = None
            error, self._error, self.failed = self._error, None, False
            if error is not None:
                raise error

        (ALONE if alone else self.world).share(ended)

    def _write(self, checkpoint: Checkpoint, world: World) -> None:
        try:
            save(self.folder, checkpoint, self.keep, world)
        except BaseException as error:
            self._error, self.failed = error, True
