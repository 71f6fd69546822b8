"""Janus-Pro at its real size, with random weights: written in a public layout, then opened, asked and made to draw.

    python benchmarks/real_size.py write 1b official DIR
    python benchmarks/real_size.py measure DIR --dtype float32 --codes 576

``write`` takes the tensors' names and shapes from the released files (tests/fixtures/janus-keys.json) for the official
layout, and from transformers for its own; nothing of janiform is used, so opening the directory is a test. The text
tokenizer is that of the fixture. ``measure`` prints JSON: seconds by the clock and of the processor, which are
fewer where the machine has other work, and the peak of the process's memory, in which pages of the mapped files count.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import resource
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures"
TINY = FIXTURES / "janus-official-tiny"
SHARD = 5 << 30
CODES = 576
SIZES: dict[str, dict[str, int]] = {
    "1b": {"hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 24, "num_attention_heads": 16},
    "7b": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 30, "num_attention_heads": 32},
}
"""Of the language models (the released config.json)."""


def official(size: str) -> tuple[Mapping[str, list[int]], dict[str, Any]]:
    """Names with shapes, and the config, of the released directory."""
    width = SIZES[size]["hidden_size"]
    text = {"model_type": "llama", "vocab_size": 102400, "max_position_embeddings": 16384, **SIZES[size]}
    text["num_key_value_heads"] = text["num_attention_heads"]
    eyes = {"image_size": 384, "model_name": "siglip_large_patch16_384", "select_feature": "same", "select_layer": -1}
    mlp = {"depth": 2, "n_embed": width, "projector_type": "mlp_gelu"}
    head = {"image_token_embed": width, "image_token_size": 16384, "n_embed": width}
    config = {
        "model_type": "multi_modality",
        "architectures": ["MultiModalityCausalLM"],
        "language_config": text,
        "vision_config": {"cls": "CLIPVisionTower", "model_type": "vision", "params": eyes},
        "aligner_config": {"cls": "MlpProjector", "model_type": "aligner", "params": {"input_dim": 1024, **mlp}},
        "gen_vision_config": {
            "cls": "VQ-16",
            "model_type": "gen_vision",
            "params": {"image_token_size": 16384, "n_embed": 8},
        },
        "gen_aligner_config": {"cls": "MlpProjector", "model_type": "gen_aligner", "params": {"input_dim": 8, **mlp}},
        "gen_head_config": {"cls": "vision_head", "model_type": "gen_head", "params": head},
    }
    return json.loads((FIXTURES / "janus-keys.json").read_text())[f"janus-pro-{size}"], config


def transformers(size: str) -> tuple[Mapping[str, list[int]], dict[str, Any]]:
    """The same in the layout of transformers, by its own classes."""
    from transformers.models.janus.configuration_janus import JanusConfig
    from transformers.models.janus.modeling_janus import JanusForConditionalGeneration

    width = SIZES[size]["hidden_size"]
    config = JanusConfig(
        text_config={"model_type": "llama", "vocab_size": 102400, "max_position_embeddings": 16384, **SIZES[size]},
        vision_config={"projection_dim": width, "num_image_tokens": 576},
        vq_config={"projection_dim": width, "image_token_embed_dim": width, "num_patches": 24},
        tie_word_embeddings=False,
        image_token_id=765,
    )
    with torch.device("meta"):
        state = JanusForConditionalGeneration(config).state_dict()
    return {name: list(tensor.shape) for name, tensor in state.items()}, config.to_dict()


def values(shapes: Mapping[str, list[int]]) -> Iterator[tuple[str, Tensor]]:
    """Random values of the variance that keeps signals as they are; made of one block, which is quick."""
    block = torch.randn(1 << 22, generator=torch.Generator().manual_seed(0))
    for name, shape in shapes.items():
        if len(shape) < 2:
            yield name, torch.ones(shape, dtype=torch.bfloat16)
            continue
        count = math.prod(shape)
        scaled = (block * (count // shape[0]) ** -0.5).to(torch.bfloat16)
        yield name, scaled.repeat(-(-count // len(scaled)))[:count].clone().view(shape)


def write(size: str, layout: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    shapes, config = official(size) if layout == "official" else transformers(size)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(TINY / name, folder)
    for name in ("preprocessor_config.json", "processor_config.json"):
        said = json.loads((TINY / name).read_text())
        said.update({key: value for key, value in (("image_size", 384), ("num_image_tokens", 576)) if key in said})
        (folder / name).write_text(json.dumps(said))
    total = 2 * sum(map(math.prod, shapes.values()))
    count = -(-total // SHARD)
    suffix = "bin" if layout == "official" else "safetensors"
    stem = "pytorch_model" if layout == "official" else "model"
    where: dict[str, str] = {}
    shard: dict[str, Tensor] = {}
    number = 1

    def close() -> None:
        nonlocal number
        name = f"{stem}-{number:05d}-of-{count:05d}.{suffix}" if count > 1 else f"{stem}.{suffix}"
        where.update(dict.fromkeys(shard, name))
        save(shard, folder / name)
        shard.clear()
        number += 1

    for name, tensor in values(shapes):
        if number < count and sum(kept.nbytes for kept in shard.values()) + tensor.nbytes > total / count:
            close()
        shard[name] = tensor
    close()
    if count > 1:
        index = {"metadata": {"total_size": total}, "weight_map": where}
        (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps(index))
    print(json.dumps({"folder": str(folder), "layout": layout, "parameters": total // 2, "bytes": total}))


def save(tensors: Mapping[str, Tensor], path: Path) -> None:
    if path.suffix == ".bin":
        torch.save(dict(tensors), path)
    else:
        from safetensors.torch import save_file

        save_file(dict(tensors), path, metadata={"format": "pt"})


def peak() -> float:
    """GB of memory that the process has held at most."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 2)


class EnoughError(Exception):
    """So many codes as were wanted are drawn."""


def measure(
    folder: Path, dtype: str, quantize: str | None, codes: int, answer: int, picture: bool, whole: bool
) -> None:
    import janiform
    import numpy as np

    figures: dict[str, Any] = {"torch": torch.__version__, "threads": torch.get_num_threads(), "before_gb": peak()}
    began, worked = time.perf_counter(), time.process_time()

    def done(what: str) -> None:
        nonlocal began, worked
        figures[f"{what}_s"] = round(time.perf_counter() - began, 1)
        figures[f"{what}_cpu_s"] = round(time.process_time() - worked, 1)
        figures[f"{what}_peak_gb"] = peak()
        print(what, figures[f"{what}_s"], "s", figures[f"{what}_peak_gb"], "GB", file=sys.stderr, flush=True)
        began, worked = time.perf_counter(), time.process_time()

    only = None if whole or (picture and codes) else "draw" if codes else "look"
    model = janiform.load(folder, dtype=dtype, quantize=quantize, only=only)
    tensors = {*model.model.parameters(), *model.model.buffers()}
    figures |= {"weights_gb": round(sum(tensor.nbytes for tensor in tensors) / 1e9, 2)}
    done("load")
    if answer:
        seen = np.random.default_rng(0).integers(0, 256, (384, 384, 3), dtype=np.uint8) if picture else None
        chat = janiform.Chat(model, max_new_tokens=1)
        if seen is not None:
            chat.look(seen)
        for what, line in (("answer_of_1", "What is in this picture?"), ("next_turn", "And where?")):
            for _ in chat.say(line):
                pass
            done(what)
        chat.forget()
        if answer > 1:
            model.ask(seen, "What is in this picture?", max_new_tokens=answer)
            done(f"answer_of_{answer}")
    if codes:
        after = [worked]

        def count(drawn: int, _: int) -> None:
            after.append(time.process_time())
            if drawn >= codes and codes < CODES:
                raise EnoughError

        with contextlib.suppress(EnoughError):
            model.generate("a red circle above a blue square", on_step=count)
        figures["first_code_cpu_s"] = round(after[1] - after[0], 2)
        if len(after) > 2:
            figures["further_code_cpu_s"] = round((after[-1] - after[1]) / (len(after) - 2), 3)
        if codes >= CODES:
            figures["decoding_cpu_s"] = round(time.process_time() - after[-1], 1)
        done("picture" if codes >= CODES else f"{codes}_codes")
    print(json.dumps({"folder": folder.name, "dtype": dtype, "quantize": quantize, **figures}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write")
    writing.add_argument("size", choices=SIZES)
    writing.add_argument("layout", choices=("official", "hf"))
    writing.add_argument("folder", type=Path)
    measuring = commands.add_parser("measure")
    measuring.add_argument("folder", type=Path)
    measuring.add_argument("--dtype", default="float32")
    measuring.add_argument("--quantize", choices=("int8", "int4"))
    measuring.add_argument("--codes", type=int, default=CODES, help="to stop after; 0 draws nothing")
    measuring.add_argument("--answer", type=int, default=8, help="tokens; 0 asks nothing")
    measuring.add_argument("--blind", action="store_true", help="ask without a picture, and leave the encoder out")
    measuring.add_argument("--whole", action="store_true", help="load all parts, whether they are needed or not")
    said = parser.parse_args()
    if said.command == "write":
        write(said.size, said.layout, said.folder)
    else:
        measure(said.folder, said.dtype, said.quantize, said.codes, said.answer, not said.blind, said.whole)


if __name__ == "__main__":
    main()
