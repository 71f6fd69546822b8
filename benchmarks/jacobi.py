"""The sampler jacobi beside autoregressive, with janus-mini: forwards, time and right drawings.

    python benchmarks/jacobi.py [--prompts 60] [--temperature 0.6] [--windows 4 8 16]

Pictures of the shapes benchmark are drawn one at a time, by each sampler in turn. ``right`` is the fraction of drawings
that the benchmark's verifier accepts, with its 95 % interval.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from typing import Any

import janiform
import torch
from hardware import cpu
from janiform_plugins.benchmarks.shapes.benchmark import ShapesBenchmark
from janiform_plugins.benchmarks.shapes.config import ShapesBenchmarkConfig
from scipy.stats import binomtest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=60, help="prompts in each category (default 60)")
    parser.add_argument("--temperature", type=float, default=0.6, help="sampling temperature (default 0.6)")
    parser.add_argument("--windows", type=int, nargs="+", default=[4, 8, 16], help="windows of jacobi (default 4 8 16)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    benchmark = ShapesBenchmark(ShapesBenchmarkConfig(prompts=options.prompts, pictures=1))
    requests = [request for request in benchmark.requests() if request.draws]
    plain, fast = janiform.load("janus-mini"), janiform.load("janus-mini", sampler="jacobi")
    ways: dict[str, tuple[Any, dict[str, Any]]] = {"autoregressive": (plain, {})}
    ways |= {f"jacobi, window {window}": (fast, {"window": window}) for window in options.windows}
    forwards, seconds, right = defaultdict[str, int](int), defaultdict[str, float](float), defaultdict[str, int](int)
    for request in requests:
        for name, (model, settings) in ways.items():
            calls: list[int] = []
            hook = model.model.backbone.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
            begun = time.perf_counter()
            (picture,) = model.generate(
                request.conversation, seed=request.seed, temperature=options.temperature, **settings
            )
            seconds[name] += time.perf_counter() - begun
            hook.remove()
            forwards[name] += len(calls)
            right[name] += int(all(benchmark.judge(request, picture).values()))
    total = len(requests)
    for name in ways:
        low, high = binomtest(right[name], total).proportion_ci()
        fewer, faster = forwards["autoregressive"] / forwards[name], seconds["autoregressive"] / seconds[name]
        print(
            f"{name:20} forwards {forwards[name] / total:5.1f} ({fewer:.2f} x fewer)  time {faster:.2f} x faster  "
            f"right {right[name] / total:.3f} [{low:.3f}, {high:.3f}]"
        )
    print(f"{total} pictures, temperature {options.temperature}, {cpu()}")


if __name__ == "__main__":
    main()
