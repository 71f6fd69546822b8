"""The files of a checkpoint that tell what it is. Torch-free."""

from __future__ import annotations

from pathlib import Path

STATE, MANIFEST = "state.json", "manifest.json"


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder is a checkpoint of a run."""
    return (folder / STATE).is_file() and (folder / MANIFEST).is_file()


def run_of(checkpoint: Path) -> Path:
    """The folder of the run that a checkpoint belongs to."""
    return checkpoint.absolute().parent.parent
