"""A sink for Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from janiform import ComponentError, Problem, dumps, write_files

from .config import WandbConfig
from .figures import figures

if TYPE_CHECKING:
    from janiform import Recipe, Samples

_ID_FILE = "wandb-run.txt"
"""File in the run's folder with the id of the Weights & Biases run, which a resumed run continues."""


class WandbSink:
    """Figures, contact sheets, tables of answers, and the resolved recipe as the run's settings."""

    def __init__(self, config: WandbConfig, folder: Path, recipe: Recipe) -> None:
        try:
            import wandb
        except ImportError as error:
            raise ComponentError(
                Problem(
                    f"sink 'wandb' needs the package wandb, which is not installed ({error})",
                    hint="pip install 'janiform[wandb]', or remove the sink from the recipe",
                )
            ) from error
        self._wandb: Any = wandb
        id_file = folder / _ID_FILE
        run_id = id_file.read_text(encoding="utf-8").strip() if id_file.is_file() else None
        try:
            self._run: Any = self._wandb.init(
                project=config.project,
                entity=config.entity or None,
                name=config.name or folder.resolve().name,
                tags=list(config.tags),
                mode=config.mode or None,
                dir=str(folder),
                id=run_id,
                resume="allow",
                config={"recipe": recipe.name, "recipe.toml": dumps(recipe), "seed": recipe.training.seed},
                settings=wandb.Settings(console="off"),  # otherwise every repaint of the progress table is uploaded
            )
        except wandb.Error as error:
            hint = 'run wandb login, or set mode = "offline" and run wandb sync later'
            raise ComponentError(Problem(f"sink 'wandb' cannot start a run: {error}", hint=hint)) from error
        if run_id is None:
            write_files(folder, {_ID_FILE: self._write_id})

    def entry(self, line: Mapping[str, Any]) -> None:
        """Log all figures at the step of the run."""
        self._run.log({**figures(line), "stage": line["stage"]}, step=line["total"])

    def samples(self, samples: Samples, stage: str, total: int) -> None:
        """Log the contact sheet as an image, the answers as a table."""
        media: dict[str, Any] = {}
        if samples.picture is not None:
            media[f"samples/{stage}"] = self._wandb.Image(samples.picture)
        if samples.answers:
            columns = ["question", "answer", "in the data"]
            media[f"answers/{stage}"] = self._wandb.Table(columns=columns, data=[list(row) for row in samples.answers])
        if media:
            self._run.log(media, step=total)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()

    def _write_id(self, path: Path) -> None:
        path.write_text(str(self._run.id), encoding="utf-8")
