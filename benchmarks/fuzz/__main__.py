"""Read damaged and hostile input by the thousands, and count what happens to it.

    python -m benchmarks.fuzz                          all kinds, 40,000 inputs
    python -m benchmarks.fuzz recipes --count 10000
    python -m benchmarks.fuzz directories --only 123   one input, with its traceback

Every input is drawn from the seed, its kind and its number alone, so that a number names an input for ever. It is
accepted, or refused by a ``JaniformError``. Everything else is a failure: another exception, more processor time than
``--seconds``, waiting without end, more memory than ``--memory``, or the end of the process. Failures are printed by
cause, with the numbers of the inputs, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .runner import KINDS, count_of, made, outcomes, random_of

SHOWN = 8
"""Numbers of inputs that are printed for each cause."""


def summary(kind: str, found: dict[int, str], took: float) -> bool:
    """Print the counts of a kind and its failures by cause; return whether there are none."""
    failures: dict[str, list[int]] = {}
    for number, outcome in found.items():
        if outcome.startswith("failed"):
            failures.setdefault(outcome, []).append(number)
    counts = Counter("failed" if outcome.startswith("failed") else outcome for outcome in found.values())
    row = "".join(f"{counts[name]:>10}" for name in ("accepted", "refused", "failed"))
    print(f"{kind:<14}{len(found):>10}{row}{took:>10.0f}", flush=True)
    for cause, numbers in sorted(failures.items(), key=lambda item: -len(item[1])):
        print(f"    {len(numbers)} × {cause}: {', '.join(map(str, numbers[:SHOWN]))}", flush=True)
    return not failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)}; all by default.")
    parser.add_argument("--count", type=int, help="Number of inputs of each kind; each kind has its default.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of all inputs; 0 by default.")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="Limit for one input, of processor time; 10 by default."
    )
    parser.add_argument("--memory", type=float, default=4.0, help="GiB that inputs may take; 4 by default.")
    parser.add_argument("--only", type=int, help="Run one input in this process and show its traceback.")
    arguments = parser.parse_args()
    if unknown := set(arguments.kinds) - set(KINDS):
        parser.error(f"unknown kinds: {', '.join(sorted(unknown))}; known: {', '.join(KINDS)}")
    kinds = arguments.kinds or list(KINDS)
    if arguments.only is not None:
        with tempfile.TemporaryDirectory(prefix="janiform-fuzz-") as folder:
            made(kinds[0], Path(folder) / kinds[0]).run(random_of(kinds[0], arguments.seed, arguments.only))
        return 0
    print(f"{'':<14}{'inputs':>10}{'accepted':>10}{'refused':>10}{'failed':>10}{'seconds':>10}")
    whole = True
    for kind in kinds:
        count = arguments.count or count_of(kind)
        began = time.perf_counter()
        found = outcomes(kind, arguments.seed, count, arguments.seconds, int(arguments.memory * 2**30))
        whole &= summary(kind, found, time.perf_counter() - began)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
