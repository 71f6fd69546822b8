"""The attention kernels side by side: packed training, a packed forward pass, a ragged prompt and a step of decoding.

    python benchmarks/attention.py --rows 4 --length 512 --heads 16 --width 64
    python benchmarks/attention.py --device cuda --dtype bfloat16 --rows 8 --length 4096 --json

Every kernel that serves the device and dtype at hand computes one layer's attention, in turns, so that other programs
on the machine count for little; the times are medians in milliseconds, of processor time on the CPU, beside each its
ratio to sdpa's. ``bare`` is PyTorch's function with the mask as one tensor and none of the kernel's shortcuts. What a
kernel makes of the mask is made before the clock starts, as in a model, where all layers share it; ``mask`` is that.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import hardware
import torch
from janiform import AttentionRequest, KVCache, Mask, registry
from janiform.attention.attend import Attention, attention_for
from janiform.errors import JaniformError
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

Call = Callable[[], object]
DOCUMENTS, BLOCK = 6, 0.4
"""Documents in a packed row, and the share of every second one that is a full block, as of a picture to look at."""


def bare(q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
    seen, causal = mask.compiled(q.shape[2], k.shape[2], q.device)
    return scaled_dot_product_attention(q, k, v, seen, is_causal=causal, enable_gqa=q.shape[1] != k.shape[1])


class Bench:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.told: set[str] = set()
        self.device = torch.device(options.device)
        self.dtype: torch.dtype = getattr(torch, options.dtype)

    def kernels(self, learning: bool) -> dict[str, Attention]:
        """Those that serve what is asked; the others are told on standard error, with the reason."""
        asked = AttentionRequest(
            device=self.options.device,
            dtype=self.options.dtype,
            learning=learning,
            head_width=self.options.width,
            blocks=True,
            cached=not learning,
        )
        found = {}
        for name in dict.fromkeys(component.name for component in registry().components("kernel")):
            try:
                found[name] = attention_for(name, asked)
            except JaniformError as error:
                said = str(error).partition("\n")[0].partition(" (what")[0]
                if said not in self.told:
                    print(said, file=sys.stderr)
                self.told.add(said)
        sdpa = found.pop("sdpa")
        return {"sdpa": sdpa, "bare": Attention("bare@1", sdpa.serves, bare), **found}

    def packed(self) -> tuple[Tensor, Tensor]:
        """Documents of random lengths, every second one with a full block, int64 [rows, length] each."""
        chance = torch.Generator().manual_seed(0)
        rows, length = self.options.rows, self.options.length
        documents, blocks = torch.zeros(2, rows, length, dtype=torch.int64)
        for row in range(rows):
            cuts = torch.randperm(length - 1, generator=chance)[: DOCUMENTS - 1].sort().values + 1
            edges = [0, *cuts.tolist(), length]
            for number, (start, stop) in enumerate(pairwise(edges)):
                documents[row, start:stop] = number
                if number % 2:
                    blocks[row, start : start + int((stop - start) * BLOCK)] = number
        return documents, blocks

    def ragged(self) -> Tensor:
        """Prompts of two lengths, as those of guidance are: documents [2·rows, length], padded on the left."""
        documents = torch.zeros(2 * self.options.rows, self.options.length, dtype=torch.int64)
        documents[::2, : self.options.length // 3] = -1
        return documents

    def inputs(self, rows: int, queries: int, learning: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        o = self.options
        shapes = [(rows, heads, queries, o.width) for heads in (o.heads, o.kv_heads, o.kv_heads)]
        q, k, v = (torch.randn(shape, device=self.device, dtype=self.dtype) for shape in shapes)
        for tensor in (q, k, v):
            tensor.requires_grad_(learning)
        return q, k, v

    def mask(self, documents: Tensor, blocks: Tensor | None, attention: Attention, more: int = 0) -> Mask:
        there = documents.to(self.device), None if blocks is None else blocks.to(self.device)
        if more:
            return Mask.decoding(
                *there, length=documents.shape[1] + more, attention=attention, host=(documents, blocks)
            )
        return Mask(*there, attention=attention, host=(documents, blocks))

    def training(self, attention: Attention) -> tuple[Call, Call]:
        documents, blocks = self.packed()
        q, k, v = self.inputs(*documents.shape, learning=True)
        mask = self.mask(documents, blocks, attention)
        weight = torch.randn_like(q)

        def step() -> None:
            attention(q, k, v, mask).backward(weight)
            q.grad = k.grad = v.grad = None

        def anew() -> Tensor:
            return attention(q, k, v, self.mask(documents, blocks, attention))

        return step, anew

    @torch.no_grad()
    def forward(self, attention: Attention) -> tuple[Call, Call]:
        documents, blocks = self.packed()
        return self._inference(attention, documents, blocks)

    @torch.no_grad()
    def prompt(self, attention: Attention) -> tuple[Call, Call]:
        return self._inference(attention, self.ragged(), None)

    def _inference(self, attention: Attention, documents: Tensor, blocks: Tensor | None) -> tuple[Call, Call]:
        q, k, v = self.inputs(*documents.shape)
        mask = self.mask(documents, blocks, attention)
        return (
            lambda: attention(q, k, v, mask),
            lambda: attention(q, k, v, self.mask(documents, blocks, attention)),
        )

    def decoding(self, attention: Attention) -> tuple[Call, Call]:
        """One query a row over a filled cache, which is longer than what is filled."""
        documents = self.ragged()
        rows, length = documents.shape
        o = self.options
        cache = KVCache(1, rows, o.kv_heads, length + 600, o.width, self.dtype, self.device)
        mask = self.mask(documents, None, attention, more=600)
        q, k, v = self.inputs(rows, length + 300)
        keys, values = cache.append(0, k, v)
        last = q[:, :, -1:]
        return (
            lambda: attention(last, keys, values, mask),
            lambda: attention(last, keys, values, self.mask(documents, None, attention, more=600)),
        )

    def clock(self, call: Call) -> float:
        """Milliseconds."""
        now = time.process_time if self.device.type == "cpu" else time.perf_counter
        began = now()
        call()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return (now() - began) * 1000

    def measure(self, work: Callable[[Attention], tuple[Call, Call]], learning: bool) -> dict[str, dict[str, float]]:
        calls = {name: work(attention) for name, attention in self.kernels(learning).items()}
        with torch.set_grad_enabled(learning):
            for call, _ in calls.values():
                for _ in range(3):
                    self.clock(call)  # compiled, and its mask made
            times: dict[str, list[float]] = {name: [] for name in calls}
            for _ in range(self.options.repeats):
                for name, (call, _) in calls.items():
                    times[name].append(self.clock(call))
            medians = {name: statistics.median(some) for name, some in times.items()}
            masks = {
                name: max(0.0, statistics.median(self.clock(anew) for _ in range(5)) - medians[name])
                for name, (_, anew) in calls.items()
                if not learning
            }
        return {
            name: {
                "ms": round(median, 3),
                "of_sdpa": round(median / medians["sdpa"], 2),
                **({"mask_ms": round(masks[name], 3)} if name in masks else {}),
            }
            for name, median in medians.items()
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="bfloat16" if torch.cuda.is_available() else "float32")
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--kv-heads", type=int, default=0, help="0 is the same as --heads")
    parser.add_argument("--width", type=int, default=64, help="of a head")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.kv_heads = options.kv_heads or options.heads
    torch.manual_seed(0)
    bench = Bench(options)
    results = {
        "packed training, forward and backward": bench.measure(bench.training, learning=True),
        "packed forward": bench.measure(bench.forward, learning=False),
        "ragged prompt": bench.measure(bench.prompt, learning=False),
        "decoding step": bench.measure(bench.decoding, learning=False),
    }
    settings = {name: value for name, value in vars(options).items() if name != "json"}
    if options.json:
        known = {**hardware.here(bench.device), "xformers": hardware.installed("xformers")}
        print(json.dumps({"hardware": known, "settings": settings, "results": results}, indent=2))
        return
    for work, kernels in results.items():
        print(work)
        for name, found in kernels.items():
            mask = f"   mask {found['mask_ms']:9.3f} ms" if "mask_ms" in found else ""
            print(f"  {name:10} {found['ms']:10.3f} ms   {found['of_sdpa']:6.2f} × sdpa{mask}")


if __name__ == "__main__":
    main()
