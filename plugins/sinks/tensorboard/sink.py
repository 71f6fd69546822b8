"""TensorBoard's event files, by torch's own writer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from janiform import ComponentError, Problem
from janiform_plugins.sinks.figures import figures, table

from .config import TensorBoardConfig

if TYPE_CHECKING:
    from janiform import Recipe, Samples


class TensorBoardSink:
    """Scalars at every line of the log; pictures and answers with the samples.

    A run that goes on in its folder adds a file, whose first step hides what an older file has after it.
    """

    def __init__(self, config: TensorBoardConfig, folder: Path, recipe: Recipe) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ComponentError(
                Problem(
                    f"the sink 'tensorboard' needs the package tensorboard, which is not installed ({error})",
                    hint="pip install 'janiform[tensorboard]'; or leave the sink out",
                )
            ) from error
        self._folder = folder / config.folder
        self._writer: Any = None
        self._make = SummaryWriter

    def _at(self, total: int) -> Any:
        """The writer, which is made for the first step that is written, so that it can purge later ones."""
        if self._writer is None:
            self._writer = self._make(str(self._folder), purge_step=total)
        return self._writer

    def entry(self, line: Mapping[str, Any]) -> None:
        """One scalar for every figure, at the step of the run."""
        writer = self._at(line["total"])
        for name, value in figures(line).items():
            writer.add_scalar(name, value, line["total"])
        writer.flush()

    def samples(self, samples: Samples, stage: str, total: int) -> None:
        """The sheet as a picture, the answers as a table."""
        writer = self._at(total)
        if samples.picture is not None:
            pixels = np.asarray(samples.picture.convert("RGB"))
            writer.add_image(f"samples/{stage}", pixels, total, dataformats="HWC")
        if samples.answers:
            writer.add_text(f"answers/{stage}", table(samples.answers), total)

    def close(self) -> None:
        """Write what is buffered."""
        if self._writer is not None:
            self._writer.close()
