"""The sink `wandb` calls what wandb 0.31 has; what these calls really write was looked at by hand, offline."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from janiform import ComponentError, Samples, build, dumps, use
from janiform_plugins.sinks.config import WandbConfig
from janiform_plugins.sinks.wandb import WandbSink
from PIL import Image

RECIPE = build(name="small", backbone=use("llama", width=8, inner=8, layers=1, heads=1, vocabulary=300))
LINE = {"stage": "all", "step": 2, "steps": 4, "total": 12, "losses": {"text": 1.5}, "learning_rate": 0.1, "mfu": None}


class Fake(ModuleType):
    """The names that the sink uses, with the parameters that wandb 0.31 gives them."""

    def __init__(self, refusing: str = "") -> None:
        super().__init__("wandb")
        self.refusing = refusing
        self.begun: list[dict[str, Any]] = []
        self.logged: list[tuple[dict[str, Any], int | None]] = []
        self.finished = 0

    class Error(Exception):
        pass

    class Settings:
        def __init__(self, **settings: Any) -> None:
            self.settings = settings

    class Image:
        def __init__(
            self, data_or_path: Any, mode: Any = None, caption: Any = None, grouping: Any = None, classes: Any = None,
            boxes: Any = None, masks: Any = None, file_type: Any = None,
        ) -> None:  # fmt: skip
            self.shown = data_or_path

    class Table:
        def __init__(
            self, columns: Any = None, data: Any = None, rows: Any = None, dataframe: Any = None, dtype: Any = None,
            optional: Any = True, allow_mixed_types: bool = False, log_mode: Any = "IMMUTABLE",
        ) -> None:  # fmt: skip
            self.columns, self.data = columns, data

    def init(
        self, entity: Any = None, project: Any = None, dir: Any = None, id: Any = None, name: Any = None,
        notes: Any = None, tags: Any = None, config: Any = None, config_exclude_keys: Any = None,
        config_include_keys: Any = None, allow_val_change: Any = None, group: Any = None, job_type: Any = None,
        mode: Any = None, force: Any = None, reinit: Any = None, resume: Any = None, resume_from: Any = None,
        fork_from: Any = None, save_code: Any = None, tensorboard: Any = None, sync_tensorboard: Any = None,
        monitor_gym: Any = None, settings: Any = None,
    ) -> Any:  # fmt: skip
        if self.refusing:
            raise self.Error(self.refusing)
        assert mode in (None, "online", "offline", "disabled", "shared")
        assert resume in (None, True, False, "allow", "never", "must", "auto")
        said = {"project": project, "name": name, "dir": dir, "id": id, "tags": tags, "config": config, "mode": mode}
        self.begun.append({**said, "settings": settings.settings})
        fake = self

        class Run:
            id = "abc123"

            def log(self, data: dict[str, Any], step: int | None = None, commit: bool | None = None) -> None:
                fake.logged.append((data, step))

            def finish(self, exit_code: int | None = None) -> None:
                fake.finished += 1

        return Run()


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


def test_figures_samples_and_settings_arrive_and_a_resumed_run_goes_on(wandb: Fake, tmp_path: Path) -> None:
    sink = WandbSink(WandbConfig(tags=("a",)), tmp_path, RECIPE)
    sink.entry(LINE)
    sink.samples(Samples(Image.new("RGB", (4, 4)), (("which?", "red", "blue"),)), "all", 12)
    sink.samples(Samples(), "all", 12)
    sink.close()
    (begun,) = wandb.begun
    assert (begun["project"], begun["name"], begun["dir"], begun["tags"]) == (
        "janiform", tmp_path.name, str(tmp_path), ["a"],
    )  # fmt: skip
    assert begun["config"] == {"recipe": "small", "recipe.toml": dumps(RECIPE), "seed": 0}
    assert begun["mode"] is None, "so that WANDB_MODE decides"
    assert begun["settings"] == {"console": "off"}
    (figures, step), (shown, again) = wandb.logged
    assert (figures, step) == ({"losses/text": 1.5, "run/learning_rate": 0.1, "stage": "all"}, 12)
    assert again == 12
    assert shown["samples/all"].shown.size == (4, 4)
    assert (shown["answers/all"].columns, shown["answers/all"].data) == (
        ["question", "answer", "in the data"], [["which?", "red", "blue"]],
    )  # fmt: skip
    assert wandb.finished == 1
    WandbSink(WandbConfig(mode="offline"), tmp_path, RECIPE)
    assert [begun["id"] for begun in wandb.begun] == [None, "abc123"]
    assert wandb.begun[1]["mode"] == "offline"


def test_a_missing_login_is_said_with_the_way_out(wandb: Fake, tmp_path: Path) -> None:
    wandb.refusing = "No API key configured."
    with pytest.raises(ComponentError, match=r"cannot begin a run: No API key.*\(wandb login; or mode = \"offline\""):
        WandbSink(WandbConfig(), tmp_path, RECIPE)
