"""Files for the sources that read some: a few samples each, of which one cannot be used. Gone with the process."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

_FOLDER = tempfile.TemporaryDirectory(prefix="janiform-sources-")
ROOT = Path(_FOLDER.name)


def _picture(number: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (5, 7, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def _write() -> None:
    records, texts, pairs = [], [], []
    with tarfile.open(ROOT / "shard.tar", "w") as tar:
        for number in range(6):
            picture = _picture(number) if number != 3 else b"torn"
            for name, data in ((f"{number}.png", picture), (f"{number}.txt", f"picture {number}".encode())):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
            folder = ROOT / "classes" / f"class_{number % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.png").write_bytes(picture)
            said = [{"from": "human", "value": "<image>\nWhich?"}, {"from": "gpt", "value": f"Number {number}."}]
            records.append({"image": f"class_{number % 2}/{number}.png", "conversations": said})
            pairs.append({"image": f"class_{number % 2}/{number}.png", "text": f"picture {number}"})
            texts.append({"text": f"Once upon a time, {number}." if number != 3 else None})
    (ROOT / "chat.json").write_text(json.dumps(records))
    (ROOT / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    (ROOT / "texts.jsonl").write_text("\n".join(map(json.dumps, texts)))


_write()
_TASKS = st.sampled_from(("draw", "look"))
FILES = {
    "webdataset": {"files": (str(ROOT / "shard.tar"),), "task": _TASKS},
    "conversations": {"files": (str(ROOT / "chat.json"),), "images": str(ROOT / "classes")},
    "captions": {"files": (str(ROOT / "pairs.jsonl"),), "images": str(ROOT / "classes"), "task": _TASKS},
    "text": {"files": (str(ROOT / "texts.jsonl"),)},
    "image-folder": {"folder": str(ROOT / "classes"), "task": _TASKS},
}
"""Settings by the name of the source."""
