"""The error of a visual tokenizer beside what can still be read in its reconstructions, while it is trained.

    python benchmarks/tokenizer_quality.py --out tokenizer_quality.json
    python benchmarks/tokenizer_quality.py --quick

janus-mini's tokenizer learns two kinds of pictures: handwritten digits, from its weights, and coloured shapes, from
random weights. After several numbers of steps, held-out pictures are encoded and decoded: a support vector machine that
was fitted to real digits reads the digits, and the verifier of the world of shapes compares the objects of a picture
with those of its reconstruction. A third curve is that of janus-mini's trained tokenizer with fewer and fewer codes.
Prints, as JSON, the error (the fraction of the variance of the pixels that reconstructions lose), the codes used, their
perplexity, and the fraction read right.
Needs scikit-learn.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hardware
import janiform
import numpy as np
import torch
from janiform import build_model, read_recipe, to_pil
from janiform.compose import compose
from janiform_plugins.objectives.reconstruction import tokenizer_quality
from janiform_plugins.world.verifier import detect_objects
from PIL import Image
from torch import Tensor, nn

sys.path.append(str(Path(__file__).parents[1] / "examples" / "digits"))
from benchmark import Reader
from prepare import picture_of, split
from sklearn.datasets import load_digits

STEPS = (0, 5, 10, 20, 40, 80, 150, 300)
BATCH = 16
CODES = (512, 256, 128, 64, 32, 16)
"""How many of its codes a trained tokenizer keeps."""

Read = Callable[[int, Image.Image], bool]
"""Whether a reconstruction of a held-out picture, by its number, reads as the picture."""


def digits() -> tuple[Tensor, Tensor, Read]:
    data, (training, held_out) = load_digits(), split()
    reader = Reader()
    known, unknown = ([picture_of(data.images[index]) for index in some] for some in (training, held_out))
    return pixels(known), pixels(unknown), lambda n, picture: reader.read(picture) == data.target[held_out[n]]


def shapes() -> tuple[Tensor, Tensor, Read]:
    source = janiform.registry().find("source", "shapes")
    made = source.load()(source.config(task="draw", objects=4, seed=4))
    pictures = [_drawn(made.example(index)) for index in range(1600)]
    held_out = pictures[-197:]
    return pixels(pictures[:-197]), pixels(held_out), lambda n, picture: _objects(held_out[n]) == _objects(picture)


def pixels(pictures: list[Image.Image]) -> Tensor:
    """Pictures -> [n, 3, 64, 64] in [-1, 1]."""
    return torch.stack([torch.from_numpy(np.array(one)).permute(2, 0, 1) / 127.5 - 1 for one in pictures])


def measured(tokenizer: Any, pictures: Tensor, read: Read) -> dict[str, Any]:
    tokenizer.eval()
    with torch.inference_mode():
        codes = tokenizer.encode(pictures)
        decoded = tokenizer.decode(codes).clamp(-1, 1)
    quality = tokenizer_quality(pictures, decoded, codes, tokenizer.vocabulary)
    assert quality is not None
    right = sum(read(number, to_pil(one)) for number, one in enumerate(decoded))
    tokenizer.train()
    return {
        "error": round(quality.error, 4),
        "codes_used": quality.used[0],
        "perplexity": round(quality.perplexity[0], 1),
        "read": round(right / len(pictures), 3),
    }


def curve(tokenizer: nn.Module, known: Tensor, unknown: Tensor, read: Read, steps: tuple[int, ...]) -> Iterator[Any]:
    """The measurements of a tokenizer after each number of steps, trained by AdamW with a constant learning rate."""
    optimizer = torch.optim.AdamW(tokenizer.parameters(), lr=1e-3, weight_decay=0.0)
    chance = torch.Generator().manual_seed(0)
    for step in range(steps[-1] + 1):
        if step in steps:
            yield {"steps": step, **measured(tokenizer, unknown, read)}
        batch = known[torch.randint(len(known), (BATCH,), generator=chance)]
        losses, _ = tokenizer.losses(batch)  # type: ignore[operator]
        optimizer.zero_grad()
        sum(loss.mean for loss in losses.values()).backward()
        nn.utils.clip_grad_norm_(tokenizer.parameters(), 1.0)
        optimizer.step()


def fewer_codes(tokenizer: Any, pictures: Tensor, read: Read) -> Iterator[Any]:
    """The measurements of a trained tokenizer with all its codes, and with the most frequent ones alone."""
    with torch.inference_mode():
        counts = tokenizer.encode(pictures).flatten().bincount(minlength=tokenizer.vocabulary)
    order = counts.argsort(descending=True)
    table = tokenizer.quantize.embedding.weight
    for number in (tokenizer.vocabulary, *CODES):
        with torch.no_grad():
            table[order[number:]] = table[order[0]].clone()  # so that none of these is nearest alone
        yield {"codes": number, **measured(tokenizer, pictures, read)}


def _drawn(example: Any) -> Image.Image:
    return next(piece.picture for turn in example.turns for piece in turn.content if hasattr(piece, "picture"))


def _objects(picture: Image.Image) -> list[tuple[str, str, str]]:
    return sorted((one.shape, one.colour, one.size) for one in detect_objects(np.asarray(picture)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="few steps, to see that it runs")
    options = parser.parse_args()
    steps = STEPS[:3] if options.quick else STEPS
    torch.manual_seed(0)
    warm = janiform.load("janus-mini").model.part("generation.tokenizer").requires_grad_(True)
    cold = build_model(compose(read_recipe("janus-mini"))).part("generation.tokenizer")
    trained = janiform.load("janus-mini").model.part("generation.tokenizer")
    drawn = shapes()
    results = {
        "digits, from janus-mini's weights": list(curve(warm, *digits(), steps)),
        "shapes, from random weights": list(curve(cold, *drawn, steps)),
        "shapes, janus-mini's with fewer codes": list(fewer_codes(trained, *drawn[1:])),
    }
    text = json.dumps({"machine": hardware.here(torch.device("cpu")), "results": results}, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
