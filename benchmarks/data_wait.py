"""Whether a step waits for its batch when the batch could be ready: shards of pictures, and steps of given lengths.

    python benchmarks/data_wait.py --steps 12

    python benchmarks/data_wait.py --steps 12 --idle 0.2

Writes a shard of noisy JPEGs of 512×512 with captions into a temporary folder and prepares batches of them for drawing,
decoded, cropped and normalised to 384×384; or, with ``--idle``, prepares each batch by doing nothing for so long, as
where a slow disk is waited for, which other programs on the machine do not disturb. Measures first what a batch takes,
then lets steps that only sleep, as the host does while a GPU computes, last 0.6 to 1.5 times that, with one and two
workers. Prints, as JSON, the share of the time that steps stood still, after the first, which nothing could have made
ready. One worker can be ready where it is quicker than a step; two where together they are, if there are processors for
both. *Ready long before* is what handing over takes on this machine where a batch takes no time to prepare.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from janiform import CropToSquare, Objective, registry
from janiform.train.data.batches import batches
from janiform.train.data.builder import BatchBuilder
from janiform.train.data.mixture import Mixture
from janiform.train.data.specs import batch_specs
from PIL import Image

BATCH = 8


class Drawing(Objective):
    """Prepares pictures, without text; or only takes the time."""

    def __init__(self, idle: float) -> None:
        super().__init__()
        self.transform = CropToSquare(384)
        self.idle = idle

    def prepare(self, examples: Sequence[Any], generator: np.random.Generator) -> torch.Tensor:
        if self.idle:
            time.sleep(self.idle)
            return torch.zeros(1)
        return torch.stack([self.transform(example.turns[1].content[0].picture) for example in examples])

    def losses(self, batch: Any) -> Any:
        raise AssertionError("nothing is trained")


class Nothing:
    """A source that takes no time."""

    def example(self, index: int) -> Any:
        return None


def write_shard(path: Path, count: int) -> None:
    chance = np.random.default_rng(0)
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            rough = Image.fromarray(chance.integers(0, 256, (64, 64, 3), np.uint8)).resize(
                (512, 512), Image.Resampling.BICUBIC
            )
            file = io.BytesIO()
            rough.save(file, "JPEG", quality=90)
            for name, data in ((f"{number:05d}.jpg", file.getvalue()), (f"{number:05d}.txt", b"some noise")):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def waits(builder: BatchBuilder, steps: int, seconds: float, workers: int) -> float:
    """The share of the time, after the first batch, that steps of ``seconds`` waited for their batch."""
    specs = batch_specs(Mixture({"pictures": 1}), BATCH, range(steps), {}, {})
    ready = batches(builder, specs, workers=workers)
    next(ready)
    waited, began = 0.0, time.perf_counter()
    time.sleep(seconds)
    while True:
        asked = time.perf_counter()
        if next(ready, None) is None:
            break
        waited += time.perf_counter() - asked
        time.sleep(seconds)
    return waited / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--idle", type=float, default=0.0, help="seconds a batch, instead of decoding pictures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shard.tar"
        write_shard(path, 64)
        component = registry().find("source", "webdataset")
        source = component.load()(component.config(files=(str(path),)))
        if arguments.idle:
            source = Nothing()
        builder = BatchBuilder({"pictures": source}, Drawing(arguments.idle), (0,))
        spent = []
        for spec in batch_specs(Mixture({"pictures": 1}), BATCH, range(5), {}, {}):
            began = time.perf_counter()
            builder[spec]
            spent.append(time.perf_counter() - began)
        batch = statistics.median(spent)
        results = {
            f"{workers} worker{'s' * (workers > 1)}": {
                f"{share} × batch": round(waits(builder, arguments.steps, batch * share, workers), 3)
                for share in (0.6, 1.0, 1.5)
            }
            for workers in (1, 2)
        }
        instant = BatchBuilder({"pictures": Nothing()}, Drawing(1e-4), (0,))
        results["ready long before"] = {"1.5 × batch": round(waits(instant, arguments.steps, batch * 1.5, 1), 3)}
    print(json.dumps({"seconds a batch": round(batch, 4), "cores": os.cpu_count(), "waited": results}, indent=2))


if __name__ == "__main__":
    main()
