"""Hostile model directories of every format: damaged settings, headers and values, and files that are not files."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import torch
from janiform import Model
from janiform.measure.examine import examine
from janiform.storage.contents import contents, recipe_of
from janiform.storage.convert import convert
from janiform.storage.open import open_model

from . import mutate

COUNT = 2_000

ROOT = Path(__file__).resolve().parents[2]
OFFICIAL = ROOT / "tests" / "fixtures" / "janus-official-tiny"
FILES = {
    "config.json", "preprocessor_config.json", "processor_config.json", "special_tokens_map.json", "tokenizer.json",
    "tokenizer_config.json", "pytorch_model.bin",
}  # fmt: skip


class Directories:
    """A tiny model in the official format (pickle), the hf format (one file, and shards) and janiform's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "model"
        self._seeds = [folder / name for name in ("official", "hf", "shards", "janiform")]
        official = self._seeds[0]
        if not official.exists():
            official.mkdir(parents=True)
            for name in FILES:
                shutil.copy(OFFICIAL / name, official)
            convert(official, self._seeds[1], "hf")
            convert(official, self._seeds[2], "hf", shard_size=100_000)
            convert(official, self._seeds[3], "janiform")

    def run(self, chance: Random) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(chance.choice(self._seeds), self._folder)
        for _ in range(chance.choice((1, 1, 2))):
            self._damage(chance)
        recipe, folder = recipe_of(str(self._folder))
        examination = examine(recipe)
        if folder is not None:
            contents(folder, examination.plan, examination.modules)
        model = Model(open_model(self._folder))
        model.ask(None, "what is it?", max_new_tokens=2)

    def _damage(self, chance: Random) -> None:
        file = chance.choice(
            [file for file in sorted(self._folder.iterdir()) if file.is_file()] or [self._folder / "x"]
        )
        if chance.random() < 0.15 or not file.exists():
            _replace(file, chance)
        elif file.suffix == ".json":
            tree = _parsed(file)
            file.write_bytes(mutate.json_text(tree, chance) if tree is not None else b"")
        elif file.suffix == ".safetensors" and chance.random() < 0.8:
            file.write_bytes(_header_changed(file.read_bytes(), chance))
        elif file.suffix == ".toml":
            file.write_text(mutate.lines(file.read_text(errors="replace"), chance))
        elif file.suffix == ".bin":
            file.write_bytes(_pickle(file.read_bytes(), chance))
            if file.stat().st_size == 0:
                torch.save(_tensors(chance), file)
        else:
            file.write_bytes(mutate.damaged(file.read_bytes(), chance))


def _parsed(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return None


def _replace(file: Path, chance: Random) -> None:
    """Something else in the place of a file."""
    file.unlink(missing_ok=True)
    match chance.randrange(6):
        case 0:
            file.mkdir()
        case 1:
            os.mkfifo(file)
        case 2:
            file.symlink_to(file.parent / "nowhere")
        case 3:
            file.symlink_to(file)
        case 4:
            file.write_bytes(b"")
        case _:
            pass


def _header_changed(data: bytes, chance: Random) -> bytes:
    """A safetensors file whose header is another one."""
    try:
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
    except (ValueError, struct.error, RecursionError):
        return mutate.damaged(data, chance)
    names = [name for name in header if name != "__metadata__"]
    if names and chance.random() < 0.5 and isinstance(header[chance.choice(names)], dict):
        entry = header[chance.choice(names)]
        if isinstance(entry, dict):
            entry["dtype"] = chance.choice(
                ("F64", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "F6_E2M3", "I8", "U8", "BOOL", "C64",
                 "I64", "F32", "", None, "X")
            )  # fmt: skip
            encoded = json.dumps(header).encode()
            return struct.pack("<Q", len(encoded)) + encoded + data[8 + length :]
    encoded = mutate.json_text(header, chance)
    stated = chance.choice((len(encoded),) * 6 + (0, len(encoded) + 1, 2**40, 2**63 + 1))
    return struct.pack("<Q", stated) + encoded + data[8 + length :]


def _pickle(data: bytes, chance: Random) -> bytes:
    match chance.randrange(5):
        case 0:
            return pickle.dumps(chance.choice(({"a": 1}, [1], None, {"a": [[]]}, {1: torch.zeros(2)})))
        case 1:
            return b""
        case 2:
            return _member_damaged(data, chance)
        case _:
            return mutate.damaged(data, chance)


def _member_damaged(data: bytes, chance: Random) -> bytes:
    """The zip of ``torch.save`` with one member damaged and its checksum right."""
    import io

    out = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
            infos = source.infolist()
            chosen = chance.choice(
                [info.filename for info in infos if info.filename.endswith(".pkl")] * 3 + [infos[0].filename]
            )
            for info in infos:
                content = source.read(info)
                target.writestr(info.filename, mutate.damaged(content, chance) if info.filename == chosen else content)
    except (zipfile.BadZipFile, OSError, IndexError):
        return mutate.damaged(data, chance)
    return out.getvalue()


def _tensors(chance: Random) -> dict[str, Any]:
    """Tensors of types that weights rarely have."""
    odd: list[Any] = [
        torch.zeros(2, 2).to_sparse(), torch.zeros(2, 2, device="meta"), torch.zeros(2, dtype=torch.complex64),
        torch.zeros(2, dtype=torch.bool), torch.zeros(2).to(torch.float8_e4m3fn), torch.zeros(2, dtype=torch.int64),
        torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8), torch.zeros(0), torch.zeros(()),
        torch.zeros(1).expand(10**6), torch.nn.Parameter(torch.zeros(2)), "text", 3, None, [torch.zeros(2)], {"a": {}},
    ]  # fmt: skip
    tensors = torch.load(OFFICIAL / "pytorch_model.bin", weights_only=True)
    for _ in range(3):
        tensors[chance.choice(list(tensors))] = chance.choice(odd)
    return tensors
