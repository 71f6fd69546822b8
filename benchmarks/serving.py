"""Many clients of a server at once: what is lost, what is mixed up, its memory, and its speed beside a naive server.

    python benchmarks/serving.py --out serving.json
    python benchmarks/serving.py --quick

janus-mini is served twice, by processes of their own with as many threads as are given: by the server as it is, and by
the same server with an engine that runs one request at a time. 64 clients ask questions about pictures, greedily and
with seeds, at once and as streams, and ask for pictures; 5 % of their requests are hostile. Every answer is compared
with what the model gives to the same request alone, for which some hundreds of distinct requests recur. The two servers
are asked in turns, the naive one for a tenth; prints, as JSON, requests per second and their ratio, latencies, what was
lost or different, and the memory of the server after each tenth of its requests.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import hardware
import janiform
import torch
from serving_clients import Client, Tally, honest

CLIENTS = 64
HOSTILE_EVERY = 20


def serve(naive: bool, threads: int) -> None:
    """Be a server: print its port, and serve until standard input ends."""
    from janiform.inference.batching import BatchingEngine
    from janiform.serve.app import guarded_app
    from janiform.serve.server import ApiServer, listening_socket
    from janiform.serve.settings import ServerSettings
    from janiform.serve.start import running_service

    torch.set_num_threads(threads)
    settings = ServerSettings()

    async def run() -> None:
        engine = {"make_engine": partial(BatchingEngine, most_rows=1)} if naive else {}
        with running_service(
            {"janus-mini": janiform.load("janus-mini")}, settings, traceback.print_exception, **engine
        ) as service:
            server = ApiServer(guarded_app(service, traceback.print_exception), service, bound)
            loop = asyncio.get_running_loop()
            loop.add_reader(sys.stdin, server.stop)
            await server.run(lambda: print(bound.getsockname()[1], flush=True))

    with contextlib.closing(listening_socket("127.0.0.1", 0)) as bound:
        asyncio.run(run())


@contextlib.contextmanager
def server(kind: str, threads: int) -> Iterator[tuple[int, int]]:
    """The port and the process id of a server in a process of its own."""
    command = [sys.executable, __file__, "--serve", kind, "--threads", str(threads)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        port = int(process.stdout.readline())
        try:
            yield port, process.pid
        finally:
            process.stdin.close()
            assert process.wait(60) == 0


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return round(int(status.split("VmRSS:")[1].split()[0]) / 1024, 1)


async def asked(port: int, numbers: Sequence[int], answers: dict[int, str], tally: Tally) -> float:
    """Ask for all numbers from all clients; returns the seconds that it took."""
    waiting = iter(enumerate(numbers))

    async def work() -> None:
        client = Client(port, answers, tally)
        for place, number in waiting:
            if place % HOSTILE_EVERY == HOSTILE_EVERY - 1:
                await client.annoy(place // HOSTILE_EVERY + number)
            else:
                await client.ask(number)
        client.close()

    begun = time.monotonic()
    await asyncio.gather(*(work() for _ in range(CLIENTS)))
    return time.monotonic() - begun


def report(tally: Tally, seconds: float) -> dict[str, Any]:
    """The figures of one server."""
    latencies = {
        kind: {"median": round(statistics.median(values), 3), "p95": round(sorted(values)[int(0.95 * len(values))], 3)}
        for kind, values in sorted(tally.seconds.items())
    }
    pictures = len(tally.seconds.get("picture", ()))
    return {
        "answered": tally.answered,
        "hostile": tally.hostile,
        "refused_and_asked_again": tally.refused,
        "lost": len(tally.lost),
        "different": len(tally.wrong),
        "unexpected": tally.unexpected[:5],
        "first_lost": tally.lost[:5],
        "requests_per_second": round(tally.answered / seconds, 2),
        "pictures_per_second": round(pictures / seconds, 2),
        "latency_seconds": latencies,
        "first_text_seconds": round(statistics.median(tally.first), 3) if tally.first else None,
    }


def compared(requests: int, distinct: int, rounds: int, threads: int) -> dict[str, Any]:
    model = janiform.load("janus-mini")
    answers = {number: honest(number).alone(model) for number in range(distinct)}
    tallies, seconds = {"batching": Tally(), "naive": Tally()}, {"batching": 0.0, "naive": 0.0}
    ratios, memory = [], []
    each = {"batching": requests // rounds, "naive": max(CLIENTS, requests // rounds // 10)}
    with server("batching", threads) as batching, server("naive", threads) as naive:
        ports = {"batching": batching[0], "naive": naive[0]}
        for number in range(rounds):
            speed = {}
            for name, count in each.items():
                numbers = [(number * count + index) % distinct for index in range(count)]
                before = tallies[name].answered
                took = asyncio.run(asked(ports[name], numbers, answers, tallies[name]))
                seconds[name] += took
                speed[name] = (tallies[name].answered - before) / took
            ratios.append(speed["batching"] / speed["naive"])
            memory.append(resident_mib(batching[1]))
            print(f"round {number + 1} of {rounds}: ratio {ratios[-1]:.2f}, {memory[-1]} MiB", file=sys.stderr)
    same = len({*answers.values()})
    return {
        "clients": CLIENTS,
        "distinct_requests": distinct,
        "distinct_answers": same,
        "ratio": round(statistics.median(ratios), 2),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
        "memory_mib": memory,
        **{name: report(tally, seconds[name]) for name, tally in tallies.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000, help="Requests to the server.")
    parser.add_argument("--quick", action="store_true", help="300 requests, for a test.")
    parser.add_argument("--threads", type=int, default=1, help="Threads of torch in each server.")
    parser.add_argument("--out", type=Path, help="Also write the JSON to this file.")
    parser.add_argument("--serve", choices=["batching", "naive"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve == "naive", arguments.threads)
        return
    torch.set_num_threads(1)
    requests, distinct, rounds = (300, 60, 2) if arguments.quick else (arguments.requests, 500, 10)
    result = {"hardware": hardware.cpu(), **compared(requests, distinct, rounds, arguments.threads)}
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
