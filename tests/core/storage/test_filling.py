"""Parts are filled once and in place: no second copy, nothing that the files do not give, and no value unseen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import KeyMap, StorageError, WeightFiles
from janiform.storage import filling
from safetensors.torch import save_file
from torch import nn

MEASURED = """
import json, resource, sys
from pathlib import Path
from types import SimpleNamespace
import torch
from janiform import KeyMap, WeightFiles
from janiform.storage import filling, weight_files
from torch import nn

class Large(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(1024, 3072, bias=False) for _ in range(24))

weight_files._LEAST_MAPPED = weight_files._CHUNK = 4 << 20
filling.owners = lambda plan, parts: ["part"]
names = KeyMap({"layers.{i}.weight": ("{i}.q", "{i}.k", "{i}.v")})

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

torch.ones(64, 64) @ torch.ones(64, 64)
with torch.device("meta"):
    shell = Large()
filling.build_modules = lambda *_, **__: {"part": shell}
before = peak()
size = sum(parameter.numel() * 4 for parameter in shell.parameters())
plan = SimpleNamespace(owner=lambda path: "part", hidden=SimpleNamespace(vocabulary=0))
files, way = WeightFiles([Path(sys.argv[1])]), sys.argv[2] or None
modules = filling.load_parts(plan, {"part": names}, files, quantize=way)
print(json.dumps({"rise": peak() - before, "size": size, "sum": float(modules["part"].layers[23].weight[-1, -1])}))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is counted in other units elsewhere")
@pytest.mark.parametrize(
    ("suffix", "quantize", "most"),
    [(".safetensors", "", 1.1), (".bin", "", 1.1), (".bin", "int8", 0.45), (".safetensors", "int4", 0.4)],
)
def test_the_peak_is_the_weights_and_a_tenth(tmp_path: Path, suffix: str, quantize: str, most: float) -> None:
    """Of quantised weights, which are a quarter or less, it is they with the few layers that are being reduced."""
    tensors = {f"{index}.{name}": torch.full((1024, 1024), float(index)) for index in range(24) for name in "qkv"}
    file = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(tensors, file)
    ran = subprocess.run([sys.executable, "-c", MEASURED, file, quantize], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["sum"] == pytest.approx(23.0)
    assert said["rise"] <= most * said["size"]


class Whole(nn.Module):
    """Holds what no file gives: a buffer that is not saved, and a parameter under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.second = nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight
        self.register_buffer("table", torch.arange(3.0), persistent=False)


def loaded(monkeypatch: Any, module: type[nn.Module], file: Path, names: KeyMap) -> nn.Module:
    def build(plan: Any, device: str, dtype: Any = None, parts: Any = None) -> dict[str, nn.Module]:
        with torch.device(device):
            return {"part": module()}

    monkeypatch.setattr(filling, "build_modules", build)
    monkeypatch.setattr(filling, "owners", lambda plan, parts: ["part"])
    return filling.load_parts(None, {"part": names}, WeightFiles([file]))["part"]


def test_what_the_files_do_not_give_is_made(monkeypatch: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    save_file({"w": torch.ones(2, 2)}, file)
    part = loaded(monkeypatch, Whole, file, KeyMap({"first.weight": "w"}))
    assert part.table.tolist() == [0, 1, 2]
    assert part.first.weight is part.second.weight
    assert part.first.weight.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_every_value_is_looked_at(monkeypatch: Any, tmp_path: Path, value: float) -> None:
    file = tmp_path / "x.safetensors"
    weight = torch.zeros(2, 2)
    weight[1, 1] = value
    save_file({"w": weight}, file)
    with pytest.raises(StorageError, match="part: w: contains NaN or infinite values"):
        loaded(monkeypatch, Whole, file, KeyMap({"first.weight": "w"}))
