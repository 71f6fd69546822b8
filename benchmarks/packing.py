"""How full packed rows are, on lengths as real mixtures have them.

    python benchmarks/packing.py

Samples of three kinds, with lengths in positions of Janus-Pro: *caption*, a picture to draw (576 codes, 2 marks, 9 of
template) with a prompt; *chat*, a picture to look at (576, 2 marks, 44 of system text and template) with questions and
answers; *text*, documents. The lengths of their texts are lognormal: captions with a median of 14 tokens (alt texts,
sigma 0.6) or 110 (dense captions, sigma 0.5), chats with 180 (sigma 0.9: one short answer up to a dozen turns),
documents with 600 (sigma 1.1). What is longer than a row is cut, as by default. Prints, as JSON, the share of positions
that hold tokens, by mixture, and by samples that are packed together: over all steps (which is what is paid for), the
same for rows filled best fit without regard to their width, and for a row a sample; and the share of packings with rows
longer than 4096.
"""

from __future__ import annotations

import json
import time
from collections import Counter

import numpy as np
from janiform.sequence.packing import rows_of

KINDS = {
    "short caption": (587, 14, 0.6),
    "dense caption": (587, 110, 0.5),
    "chat": (622, 180, 0.9),
    "text": (2, 600, 1.1),
}
"""Fixed positions, median and sigma of the rest."""

MIXTURES = {
    "captions": {"short caption": 1.0},
    "dense captions": {"dense caption": 1.0},
    "chats": {"chat": 1.0},
    "text": {"text": 1.0},
    "stage 1 (1:0:3)": {"chat": 0.25, "short caption": 0.75},
    "stage 2 (2:3:5)": {"chat": 0.2, "text": 0.3, "dense caption": 0.5},
    "stage 3 (5:1:4)": {"chat": 0.5, "text": 0.1, "dense caption": 0.4},
}
LENGTH = 4096


def lengths(mixture: dict[str, float], count: int, length: int, rng: np.random.Generator) -> list[int]:
    kinds = rng.choice(len(mixture), size=count, p=list(mixture.values()))
    fixed, median, sigma = np.array([KINDS[name] for name in mixture]).T
    drawn = fixed[kinds] + np.maximum(1, np.rint(np.exp(rng.normal(np.log(median[kinds]), sigma[kinds]))))
    return [int(size) for size in np.minimum(drawn, length)]


def best_fit(sizes: list[int], length: int) -> list[list[int]]:
    """Longest first, each into the fullest row that has room: the usual packing, to compare with."""
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
        fitting = [row for row, free in enumerate(room) if free >= sizes[index]]
        if not fitting:
            rows.append([])
            room.append(length)
        row = min(fitting, key=room.__getitem__) if fitting else len(rows) - 1
        rows[row].append(index)
        room[row] -= sizes[index]
    return rows


def measure(mixture: dict[str, float], length: int, batch: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    steps = max(4, min(200, 4000 // batch))
    tokens = 0
    areas: Counter[str] = Counter()
    spent, longer = 0.0, 0
    for _ in range(steps):
        sizes = lengths(mixture, batch, length, rng)
        began = time.process_time()
        rows = rows_of(sizes, length)
        spent += time.process_time() - began
        tokens += sum(sizes)
        longer += max(sum(sizes[index] for index in row) for row in rows) > length
        singles = [[index] for index in range(batch)]
        for name, laid in (("packed", rows), ("best fit", best_fit(sizes, length)), ("one sample per row", singles)):
            areas[name] += len(laid) * max(sum(sizes[index] for index in row) for row in laid)
    full = {name: round(tokens / area, 4) for name, area in areas.items()}
    return {**full, "longer rows": round(longer / steps, 2), "ms per step": round(spent / steps * 1000, 2)}


def main() -> None:
    results = {
        name: {str(batch): measure(mixture, LENGTH, batch) for batch in (6, 8, 24, 64, 256, 512)}
        for name, mixture in MIXTURES.items()
    }
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
