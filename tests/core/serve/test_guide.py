"""What docs/serving.md shows works as it stands."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import janiform
import pytest
from janiform import Model
from PIL import Image
from serving import picture, serving

GUIDE = Path(__file__).parents[3] / "docs" / "serving.md"


def test_the_examples_of_the_guide(
    mini: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = picture(1)
    asked.save("picture.png")
    with serving({"janus-mini": mini}) as running:
        text = GUIDE.read_text(encoding="utf-8").replace("http://127.0.0.1:8000", running.address)
        names: dict[str, Any] = {}
        ask, draw = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        exec(ask, names)
        answer = mini.ask(asked, "how many squares are there?")
        assert capsys.readouterr().out == answer
        if shutil.which("curl") and shutil.which("base64"):
            (shell,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
            printed = subprocess.run(["sh", "-ec", shell], capture_output=True, text=True, check=True).stdout
            assert f'"content":"{answer}"' in printed
        exec(draw, names)
        names["client"].close()
    drawn = Image.open("picture.png")
    (alone,) = mini.generate("a red circle above a blue square", seed=1, guidance=2)
    assert drawn.tobytes() == alone.tobytes()
    assert janiform.provenance_of("picture.png").prompt == "a red circle above a blue square"
