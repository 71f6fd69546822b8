"""The folder of a run, made by hand: two stages, samples, and texts that a page must escape."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

NASTY = "<script>alert('1')</script>"


def make_run(folder: Path, *, steps: int = 6, rate: float = 1e-3, name: str = "tiny", torn: bool = False) -> Path:
    (folder / "samples").mkdir(parents=True)
    lines = [
        {
            "stage": stage, "step": step, "steps": steps, "total": number * steps + step, "losses": {what: 3 / step},
            "figures": {"usage": 0.5, what: 3 / step}, "learning_rate": rate, "grad_norm": float("nan"),
            "data_wait": 0.01, "samples_per_second": 5.0, "skipped": 0, "time": 10.0 * step, "tokens": 100,
            "tokens_per_second": 50.0, "mfu": 0.25,
        }
        for number, (stage, what) in enumerate((("first", "l1"), ("second", "text")))
        for step in range(1, steps + 1)
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines) + ('{"stage": "second", "to' if torn else "")
    (folder / "log.jsonl").write_text(text)
    (folder / "recipe.toml").write_text(f'recipe = 1\nname = "{name}"\nextends = "janus-mini"\n')
    (folder / "run.json").write_text(json.dumps({"command": f"janiform train {NASTY}", "versions": {"torch": "2.0"}}))
    Image.new("RGB", (4, 4), "red").save(folder / "samples" / "second-000006.png")
    answers = [{"question": NASTY, "answer": "Two", "expected": "two"}]
    (folder / "samples" / "second-000006.json").write_text(json.dumps({"answers": answers}))
    return folder
