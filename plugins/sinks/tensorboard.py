"""TensorBoard's event files, written by torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from janiform import ComponentError, Problem

from .config import TensorBoardConfig
from .figures import figures, table

if TYPE_CHECKING:
    from janiform import Recipe, Samples


class TensorBoardSink:
    """Scalars for every log entry; pictures and answers for samples.

    A resumed run adds an event file, whose first step hides later steps of older files.
    """

    def __init__(self, config: TensorBoardConfig, folder: Path, recipe: Recipe) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ComponentError(
                Problem(
                    f"sink 'tensorboard' needs the package tensorboard, which is not installed ({error})",
                    hint="pip install 'janiform[tensorboard]', or remove the sink from the recipe",
                )
            ) from error
        self._folder = folder / config.folder
        self._writer: Any = None
        self._make = SummaryWriter

    def _at(self, total: int) -> Any:
        """The writer, created at the first step that is written, so that it can purge later ones."""
        if self._writer is None:
            self._writer = self._make(str(self._folder), purge_step=total)
        return self._writer

    def entry(self, line: Mapping[str, Any]) -> None:
        """Write a scalar for every figure, at the step of the run."""
        writer = self._at(line["total"])
        for name, value in figures(line).items():
            writer.add_scalar(name, value, line["total"])
        writer.flush()

    def samples(self, samples: Samples, stage: str, total: int) -> None:
        """Write the contact sheet as a picture, the answers as a table."""
        writer = self._at(total)
        if samples.picture is not None:
            pixels = np.asarray(samples.picture.convert("RGB"))
            writer.add_image(f"samples/{stage}", pixels, total, dataformats="HWC")
        if samples.answers:
            writer.add_text(f"answers/{stage}", table(samples.answers), total)

    def close(self) -> None:
        """Flush and close the event file."""
        if self._writer is not None:
            self._writer.close()
