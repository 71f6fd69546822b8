"""How long commands take to start, beside ``python -c pass`` and the imports that they cannot do without.

    python benchmarks/startup.py
    python benchmarks/startup.py --runs 10 --bytecode warm

Each command runs in processes of its own; the commands take turns, so that a change in the load of the machine meets
all of them. The table has the least and the median wall-clock time, and the same of the processor time, which other
programs disturb less. The ratios to ``import attrs, cattrs, pluggy, rich`` and to ``import torch`` are medians over the
turns, of processor time. The last line has the time that ``check`` takes besides that of ``import torch``.

Bytecode decides most of the time, so it is measured in three states:

as-is   the environment as it is: PYTHONDONTWRITEBYTECODE and the caches that the installation has
cold    no cached bytecode: each process gets an empty ``-X pycache_prefix``, and writes into it
warm    all bytecode cached: one shared ``-X pycache_prefix``, filled by a run before that is not counted

To measure another checkout, put links named janiform, janiform_plugins and janiform_recipes to its folders into a
folder and set PYTHONPATH to that.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIBRARIES, TORCH = "import attrs, cattrs, pluggy, rich", "import torch"
JANIFORM = "import sys; from janiform.cli import main; sys.argv[0] = 'janiform'; sys.exit(main())"
"""What the installed script does."""

COMMANDS: dict[str, list[str]] = {
    "pass": ["-c", "pass"],
    LIBRARIES: ["-c", LIBRARIES],
    TORCH: ["-c", TORCH],
    "janiform --help": ["-c", JANIFORM, "--help"],
    "janiform components": ["-c", JANIFORM, "components"],
    "janiform recipes": ["-c", JANIFORM, "recipes"],
    "janiform check janus-pro-7b": ["-c", JANIFORM, "check", "janus-pro-7b"],
    "janiform show janus-pro-7b": ["-c", JANIFORM, "show", "janus-pro-7b"],
}
STATES = ("as-is", "cold", "warm")


def timed(arguments: list[str], cache: Path | None) -> tuple[float, float]:
    """Wall-clock and processor seconds of one process. ``cache``: the folder of its bytecode; None changes nothing."""
    environment = dict(os.environ)
    options: list[str] = []
    if cache is not None:
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        options = ["-X", f"pycache_prefix={cache}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, *options, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        raise SystemExit(f"{arguments} failed: {ended.stderr.decode(errors='replace')}")
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(state: str, runs: int) -> dict[str, list[tuple[float, float]]]:
    """By command: wall-clock and processor seconds of each run."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        if state == "warm":
            for arguments in COMMANDS.values():
                timed(arguments, Path(folder))
        for run in range(runs):
            for number, (name, arguments) in enumerate(COMMANDS.items()):
                caches = {"as-is": None, "cold": Path(folder) / f"{run}-{number}", "warm": Path(folder)}
                times[name].append(timed(arguments, caches[state]))
    return times


def table(times: dict[str, list[tuple[float, float]]]) -> str:
    walls = {name: [wall for wall, _ in pairs] for name, pairs in times.items()}
    cpus = {name: [cpu for _, cpu in pairs] for name, pairs in times.items()}

    def ratio(name: str, base: str) -> float:
        return statistics.median(one / other for one, other in zip(cpus[name], cpus[base], strict=True))

    header = ("wall least", "median", "cpu least", "median", "/ libraries", "/ torch")
    lines = [f"{'':<36}" + "".join(f"{title:>12}" for title in header)]
    for name in times:
        seconds = (summary(some[name]) for some in (walls, cpus) for summary in (min, statistics.median))
        ratios = (ratio(name, base) for base in (LIBRARIES, TORCH))
        lines.append(
            f"{name:<36}" + "".join(f"{one:>12.3f}" for one in seconds) + "".join(f"{r:>12.2f}" for r in ratios)
        )
    for name in (name for name in times if name.startswith("janiform check")):
        apart = [one - other for one, other in zip(cpus[name], cpus[TORCH], strict=True)]
        lines.append(f"{name} - {TORCH}, cpu: least {min(apart):.3f} s, median {statistics.median(apart):.3f} s")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="Runs of each command; 5 by default.")
    parser.add_argument("--bytecode", choices=STATES, action="append", help="State of the bytecode; all by default.")
    parser.add_argument("--json", action="store_true", help="Print the seconds of each run as JSON.")
    arguments = parser.parse_args()
    where = [sys.executable, "-c", "import janiform; print(janiform.__file__)"]
    place = Path(subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip()).parent
    states = arguments.bytecode or STATES
    times = {state: measure(state, arguments.runs) for state in states}
    if arguments.json:
        print(json.dumps({"janiform": str(place), "seconds": times}, indent=2))
        return
    print(f"{place}, Python {sys.version.split()[0]}, {arguments.runs} runs of each command, seconds")
    for state, measured in times.items():
        print(f"\nbytecode {state}\n{table(measured)}")


if __name__ == "__main__":
    main()
