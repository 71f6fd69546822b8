"""Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from janiform import ComponentError, Problem, dumps, write_files
from janiform_plugins.sinks.figures import figures

from .config import WandbConfig

if TYPE_CHECKING:
    from janiform import Recipe, Samples

_ID = "wandb-run.txt"
"""In the run's folder: which run of Weights & Biases it is, so that a resumed one goes on there."""


class WandbSink:
    """Figures, sheets of pictures and tables of answers, and the resolved recipe as the run's settings."""

    def __init__(self, config: WandbConfig, folder: Path, recipe: Recipe) -> None:
        try:
            import wandb
        except ImportError as error:
            raise ComponentError(
                Problem(
                    f"the sink 'wandb' needs the package wandb, which is not installed ({error})",
                    hint="pip install 'janiform[wandb]'; or leave the sink out",
                )
            ) from error
        self._wandb: Any = wandb
        kept = folder / _ID
        known = kept.read_text(encoding="utf-8").strip() if kept.is_file() else None
        try:
            self._run: Any = self._wandb.init(
                project=config.project,
                entity=config.entity or None,
                name=config.name or folder.resolve().name,
                tags=list(config.tags),
                mode=config.mode or None,
                dir=str(folder),
                id=known,
                resume="allow",
                config={"recipe": recipe.name, "recipe.toml": dumps(recipe), "seed": recipe.training.seed},
                settings=wandb.Settings(console="off"),  # or the live table would be sent, repaint by repaint
            )
        except wandb.Error as error:
            hint = 'wandb login; or mode = "offline", and `wandb sync` later'
            raise ComponentError(Problem(f"the sink 'wandb' cannot begin a run: {error}", hint=hint)) from error
        if known is None:
            write_files(folder, {_ID: lambda part: _write(part, str(self._run.id))})

    def entry(self, line: Mapping[str, Any]) -> None:
        """All figures at the step of the run."""
        self._run.log({**figures(line), "stage": line["stage"]}, step=line["total"])

    def samples(self, samples: Samples, stage: str, total: int) -> None:
        """The sheet as an image, the answers as a table."""
        shown: dict[str, Any] = {}
        if samples.picture is not None:
            shown[f"samples/{stage}"] = self._wandb.Image(samples.picture)
        if samples.answers:
            columns = ["question", "answer", "in the data"]
            shown[f"answers/{stage}"] = self._wandb.Table(columns=columns, data=[list(row) for row in samples.answers])
        if shown:
            self._run.log(shown, step=total)

    def close(self) -> None:
        """Let the run end."""
        self._run.finish()


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
