"""Checkpoints written in the background while training continues."""

from __future__ import annotations

import threading
from pathlib import Path

from attrs import evolve

from ..distributed.process_group import ALONE, ProcessGroup
from .checkpoint import Checkpoint, save


class Saver:
    """Writes one checkpoint at a time, from a copy in the host's memory that is made before ``begin`` returns.

    Args:
        keep: how many of the newest to keep.
    """

    def __init__(self, folder: Path, keep: int, group: ProcessGroup) -> None:
        self.folder, self.keep, self.group = folder, keep, group
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self.failed = False

    def begin(self, checkpoint: Checkpoint, *, alone: bool) -> None:
        """Write a checkpoint once the previous one is on disk.

        Args:
            alone: this process holds all of it; otherwise every process must call it, and writes its shards.

        Raises ``StorageError``, on every process, where the previous one could not be written.
        """
        self.wait(alone=alone)
        copies = {name: tensor.detach().to("cpu", copy=True) for name, tensor in checkpoint.tensors.items()}
        work = (evolve(checkpoint, tensors=copies), ALONE if alone else self.group)
        # Among several, a process that fails must not wait for writers that wait for others; alone it finishes writing.
        self._thread = threading.Thread(target=self._write, args=work, daemon=self.group.size > 1)
        self._thread.start()

    def wait(self, *, alone: bool) -> None:
        """Wait until nothing is being written. Raises ``StorageError`` where writing failed."""

        def ended() -> None:
            if self._thread is not None:
                self._thread.join()
                self._thread = None
            error, self._error, self.failed = self._error, None, False
            if error is not None:
                raise error

        (ALONE if alone else self.group).run_everywhere(ended)

    def _write(self, checkpoint: Checkpoint, group: ProcessGroup) -> None:
        try:
            save(self.folder, checkpoint, self.keep, group)
        except BaseException as error:
            self._error, self.failed = error, True
