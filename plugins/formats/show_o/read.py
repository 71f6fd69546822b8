"""The recipe of a Show-o directory, read from its config, and from the folders of its language model and tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any

from janiform import Origin, Problem, Recipe, StorageError, share, weight_files

from ...tokenizers.magvit2.config import MAGVIT2_PRESETS
from ..janus.parts import not_quantized, recipe_of
from ..janus.settings import CONFIG, MAX_LAYERS, Settings, finish
from ..janus.tokens import Tokenizer

PHI, MAGVIT = "phi-1_5", "magvitv2"
"""The folders of microsoft/phi-1_5 and showlab/magvitv2, within the model's or beside it."""

_SOURCES = {PHI: "the config and the tokenizer of microsoft/phi-1_5", MAGVIT: "showlab/magvitv2"}

SPECIAL_TOKENS = (
    "[PAD]", "<|soi|>", "<|eoi|>", "<|sov|>", "<|eov|>", "<|t2i|>", "<|mmu|>", "<|t2v|>", "<|v2v|>", "<|lvg|>",
)  # fmt: skip
"""The tokens that the release adds to those of Phi 1.5, in the order of their ids."""

SAMPLER = {"steps": 50, "guidance": 6.0, "schedule": "cosine", "temperature": 1.0}
"""The README of the release, whose scale of guidance, 5, is added to the conditional logits."""


def folder_beside(folder: Path, name: str) -> Path:
    """The folder of another model that this one needs. Raises ``StorageError`` where there is none."""
    places = (folder / name, folder.absolute().parent / name)
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        hint = f"put {_SOURCES[name]} into {places[0]} or {places[1]}"
        raise StorageError(Problem(f"{folder} has no folder {name}", hint=hint))
    return found


def read(folder: Path) -> Recipe:
    """Read the recipe. Raises ``StorageError`` with all errors in the files."""
    config = Settings.read(folder / CONFIG, [])
    if not config.values:
        finish(config.problems)
    phi = folder_beside(folder, PHI)
    language = Settings.read(phi / CONFIG, config.problems)
    not_quantized(config)
    config.only("w_clip_vit", False, default=False)
    config.equal("num_new_special_tokens", len(SPECIAL_TOKENS), "the number of special tokens of Show-o")
    text, codes = config.count("llm_vocab_size"), config.count("codebook_size", 8192)
    vocabulary = config.count("vocab_size")
    first = text + len(SPECIAL_TOKENS)
    config.equal("vocab_size", first + codes + 1, "the number of ids of text, special tokens, codes and the mask")
    config.equal("mask_token_id", vocabulary - 1, "the last id")
    visual = _visual(folder, config, codes)
    backbone = {"use": "phi@1", **_phi(language), "vocabulary": vocabulary}
    _check_text(folder, phi, text, config.problems)
    finish(config.problems)
    tables: dict[str, Any] = {
        "backbone": backbone,
        "text": {
            "use": "bpe@1",
            "vocabulary": first,
            "file": str(phi / "tokenizer.json"),
            "special_tokens": list(SPECIAL_TOKENS),
            "complete": True,
        },
        "layout": {"use": "show-o@1", "predict_marks": True},
        "generation": {
            "tokenizer": {"use": "magvit2@1", **visual},
            "embedding": {"use": "shared@1", "first": first, "mask": vocabulary - 1},
            "adapter": {"use": "identity@1"},
            "head": {"use": "shared@1", "first": first},
            "sampler": {"use": "masked@1", **SAMPLER, "steps": min(SAMPLER["steps"], config.count("num_vq_tokens"))},
        },
        "understanding": share("generation"),
    }
    description = "Show-o, from a directory of its release."
    return recipe_of("show-o", description, tables, folder, lambda path: _origin(folder, phi, path))


def _origin(folder: Path, phi: Path, path: str) -> Origin:
    """The config that states a setting; what all models have stands in none."""
    part, _, name = path.rpartition(".")
    if part == "backbone" and name not in ("use", "vocabulary"):
        return Origin(str(phi / CONFIG))
    stated = name in ("vocabulary", "first", "mask", "image_size")
    return Origin(str(folder / CONFIG if stated else folder))


def _phi(table: Settings) -> dict[str, Any]:
    """Settings of the backbone, except ``vocabulary``, from the config of Phi in transformers."""
    table.only("model_type", "phi", default="phi")
    table.only("hidden_act", "gelu_new", default="gelu_new")
    for name in ("qk_layernorm", "tie_word_embeddings"):
        table.only(name, False, default=False)
    rope, scaling = (table.table(name, optional=True) for name in ("rope_parameters", "rope_scaling"))
    for positions in (rope, scaling):
        for name in ("rope_type", "type"):
            positions.only(name, "default", default="default")
    heads, width = table.count("num_attention_heads", 32), table.count("hidden_size", 2048)
    if width % (2 * heads):
        table.wrong("hidden_size", f"is {width}, which does not divide into {heads} heads of an even width")
    kv_heads = table.count("num_key_value_heads", heads)
    if heads % kv_heads:
        table.wrong("num_key_value_heads", f"is {kv_heads}, which does not divide the {heads} num_attention_heads")
    theta, share_turned = "rope_theta", "partial_rotary_factor"
    return {
        "width": width,
        "inner": table.count("intermediate_size", 8192),
        "layers": table.count("num_hidden_layers", 24, MAX_LAYERS),
        "heads": heads,
        "kv_heads": 0 if kv_heads == heads else kv_heads,
        "context": table.count("max_position_embeddings", 2048),
        "rope_theta": (rope if theta in rope else table).number(theta, 10_000.0),
        "rotary": (rope if share_turned in rope else table).number(share_turned, 0.5),
        "eps": table.number("layer_norm_eps", 1e-5),
    }


def _visual(folder: Path, config: Settings, codes: int) -> Mapping[str, Any]:
    """Settings of the visual tokenizer: the release's, or those of a file with other sizes, which states them by the
    shapes of its tensors alone."""
    preset = MAGVIT2_PRESETS["show-o-256"]
    try:
        shapes = {name: tensor.shape for name, tensor in weight_files(folder_beside(folder, MAGVIT)).tensors.items()}
    except StorageError as error:
        config.problems.extend(error.problems)
        return preset
    try:
        sizes = _sizes(shapes)
    except (KeyError, IndexError, ZeroDivisionError):  # the comparison of all tensors names those that are missing
        sizes = dict(preset)
    places = config.count("num_vq_tokens")
    side = isqrt(places)
    if side * side != places:
        config.wrong("num_vq_tokens", f"is {places}, but pictures are square: expected a square number")
    config.equal("codebook_size", 1 << sizes["bits"], f"the visual tokenizer's number of codes of {sizes['bits']} bits")
    return {**preset, **sizes, "image_size": side << (len(sizes["multipliers"]) - 1)}


def _sizes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Widths and numbers of blocks of the visual tokenizer's levels, from the largest sides on."""
    channels = shapes["encoder.conv_in.weight"][0]
    sizes: dict[str, Any] = {"channels": channels, "bits": shapes["encoder.quant_conv.weight"][0]}
    for levels, times, blocks in (
        ("encoder.down", "multipliers", "blocks"),
        ("decoder.up", "decoder_multipliers", "decoder_blocks"),
    ):
        count = next(i for i in range(len(shapes)) if f"{levels}.{i}.block.0.conv1.weight" not in shapes)
        sizes[times] = [shapes[f"{levels}.{i}.block.0.conv1.weight"][0] // channels for i in range(count)]
        sizes[blocks] = [
            sum(f"{levels}.{i}.block.{j}.conv1.weight" in shapes for j in range(MAX_LAYERS)) for i in range(count)
        ]
    if not sizes["multipliers"] or len(sizes["multipliers"]) != len(sizes["decoder_multipliers"]):
        raise KeyError("levels")
    return sizes


def _check_text(folder: Path, phi: Path, ids: int, problems: list[Problem]) -> None:
    """Add a problem where the special tokens would not have the ids that the embeddings have for them."""
    own = (folder / "tokenizer.json").is_file()
    tokenizer = Tokenizer(folder if own else phi, problems)
    if not tokenizer.readable:
        return
    wanted = {token: ids + index for index, token in enumerate(SPECIAL_TOKENS)}
    given = {token: tokenizer.ids[token] for token in SPECIAL_TOKENS if token in tokenizer.ids}
    others = {id for token, id in tokenizer.ids.items() if token not in wanted}
    if others != set(range(ids)):
        message = f"has {len(others)} ids of text, but llm_vocab_size in config.json is {ids}"
        tokenizer.file.wrong("", message, "it belongs to another language model")
    elif given and given != wanted:
        token = next(token for token, id in wanted.items() if given.get(token) != id)
        at = f"has the id {given[token]}" if token in given else "is missing"
        tokenizer.file.wrong("added_tokens", f"the special token '{token}' {at}; expected the id {wanted[token]}")
    if "<|endoftext|>" not in tokenizer.special:
        tokenizer.file.wrong("added_tokens", "lacks the special token '<|endoftext|>', the token around every text")
