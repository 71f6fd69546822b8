"""The components of Janus by path, and conversions between their settings and those of config files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from janiform import (
    CompositionError,
    Origin,
    Plan,
    Problem,
    Recipe,
    RecipeError,
    StorageError,
    build,
    use,
    weight_files,
)

from .settings import CONFIG, MAX_LAYERS, Settings, finish

PARTS = {
    "backbone": "llama",
    "text": "bpe",
    "layout": "janus",
    "understanding.encoder": "siglip",
    "understanding.adapter": "mlp",
    "generation.tokenizer": "vq",
    "generation.embedding": "table",
    "generation.adapter": "mlp",
    "generation.head": "mlp",
    "generation.sampler": "autoregressive",
}
"""Path of each part -> its component."""

PREPROCESSING = ("mean", "std", "min_size")
"""Settings of the encoder that the image processor's config states."""

LLAMA: Mapping[str, Any] = {
    "intermediate_size": 11_008,
    "num_key_value_heads": None,
    "vocab_size": 32_000,
    "max_position_embeddings": 2048,
    "rope_theta": 10_000.0,
    "rms_norm_eps": 1e-6,
}
"""Defaults of a ``LlamaConfig`` of transformers that other families have otherwise."""


def janus(description: str, folder: Path, parts: dict[str, dict[str, Any]]) -> Recipe:
    """The recipe of parts with these settings, by path. Raises ``StorageError`` with all invalid settings."""
    tables: dict[str, Any] = {}
    for path, component in PARTS.items():
        first, _, name = path.partition(".")
        table = tables.setdefault(first, {}) if name else tables
        table[name or first] = use(f"{component}@1", **parts.get(path, {}))
    return recipe_of("janus", description, tables, folder, lambda path: _origin(folder, path))


def recipe_of(
    name: str, description: str, tables: Mapping[str, Any], folder: Path, origin: Callable[[str], Origin]
) -> Recipe:
    """The recipe of a directory. ``origin``: the file that the setting at a path comes from.

    Raises ``StorageError`` with all invalid settings.
    """
    try:
        recipe = build(name=name, description=description, **tables)
    except RecipeError as error:
        config = Origin(str(folder / CONFIG))
        raise StorageError([attrs.evolve(problem, origin=config) for problem in error.problems]) from error
    read = {path: origin(path) for path, written in recipe.origins.items() if written.source == __file__}
    return attrs.evolve(recipe, origins={**recipe.origins, **read})


def _origin(folder: Path, path: str) -> Origin:
    """The file of a setting: the config for sizes, else the folder, since the other files' names vary by version."""
    part, _, name = path.rpartition(".")
    elsewhere = part == "layout" or (part == "understanding.encoder" and name in PREPROCESSING)
    return Origin(str(folder if elsewhere or part not in PARTS or name == "use" else folder / CONFIG))


def configs(plan: Plan, format_name: str) -> dict[str, Any]:
    """The configs of a Janus by path. Raises ``CompositionError`` with all differences between the plan and a Janus."""
    problems = []
    for path, component in PARTS.items():
        part = plan.parts.get(path)
        if part is None:
            problems.append(Problem(f"format '{format_name}' needs this part, but the recipe has none", path))
        elif part.owner is not None:
            problems.append(
                Problem(f"format '{format_name}' cannot share parts, but this one is shared with {part.owner}", path)
            )
        elif part.use.component.name != component:
            message = f"format '{format_name}' has '{component}' here, but the recipe has '{part.use.component.name}'"
            problems.append(Problem(message, path))
    problems += [
        Problem(f"format '{format_name}' does not have this part", path) for path in plan.parts if path not in PARTS
    ]
    if problems:
        raise CompositionError(problems)
    return {path: plan.parts[path].use.config for path in PARTS}


def read_backbone(
    folder: Path, table: str, has_head: bool | None, *, tied_in_table: bool
) -> tuple[Settings, dict[str, Any]]:
    """The config of a directory, and the settings of the backbone in its table ``table``.

    Args:
        has_head: whether the weights hold a text head; None where they cannot be read.
        tied_in_table: whether ``tie_word_embeddings`` stands in that table, instead of in the config itself.

    Raises ``StorageError`` where the config cannot be read; other errors are added to its ``problems``.
    """
    config = Settings.read(folder / CONFIG, [])
    if not config.values:
        finish(config.problems)
    not_quantized(config)
    language = config.table(table)
    backbone = llama(language)
    backbone["tied"] = tied(language if tied_in_table else config, has_head)
    return config, backbone


def llama(table: Settings, model_type: str = "llama", defaults: Mapping[str, Any] = LLAMA) -> dict[str, Any]:
    """Settings of the backbone, except ``tied``, from the table of a ``LlamaConfig`` of transformers.

    Missing settings have the defaults of that class, as in the released config of Janus-Pro-7B. ``defaults``: those of
    a family with the same settings and another ``model_type``.
    """
    table.only("model_type", model_type, default=model_type)
    table.only("hidden_act", "silu", default="silu")
    table.only("attention_bias", False, default=False)
    table.only("mlp_bias", False, default=False)
    rope, scaling = (table.table(name, optional=True) for name in ("rope_parameters", "rope_scaling"))
    for positions in (rope, scaling):
        for name in ("rope_type", "type"):
            positions.only(name, "default", default="default")
        positions.only("partial_rotary_factor", 1, default=1)
    heads = table.count("num_attention_heads", 32)
    width = table.count("hidden_size", 4096)
    if width % (2 * heads):
        table.wrong("hidden_size", f"is {width}, which does not divide into {heads} heads of an even width")
    table.equal("head_dim", width // heads, "hidden_size / num_attention_heads")
    is_null = "num_key_value_heads" in table.values and "num_key_value_heads" not in table
    kv_heads = table.count("num_key_value_heads", (None if is_null else defaults["num_key_value_heads"]) or heads)
    if heads % kv_heads:
        table.wrong("num_key_value_heads", f"is {kv_heads}, which does not divide the {heads} num_attention_heads")
    return {
        "width": width,
        "inner": table.count("intermediate_size", defaults["intermediate_size"]),
        "layers": table.count("num_hidden_layers", 32, MAX_LAYERS),
        "heads": heads,
        "kv_heads": kv_heads,
        "vocabulary": table.count("vocab_size", defaults["vocab_size"]),
        "context": table.count("max_position_embeddings", defaults["max_position_embeddings"]),
        "rope_theta": (rope if "rope_theta" in rope else table).number("rope_theta", defaults["rope_theta"]),
        "eps": table.number("rms_norm_eps", defaults["rms_norm_eps"]),
    }


def not_quantized(config: Settings) -> None:
    """Add a problem where a config describes quantized weights, whose values mean something else."""
    if "quantization_config" in config:
        method = config.table("quantization_config").text("quant_method", "an unknown method")
        message = f"the weights are quantized by {method}, which janiform does not read"
        config.wrong("quantization_config", message, "get them in bfloat16, and give --quantize int8 or int4 instead")


def head_in(folder: Path, name: str) -> bool | None:
    """Whether the weights of a directory hold the text head ``name``; None where they cannot be read.

    Opening the weights reports why; the recipe can be read without them.
    """
    try:
        return name in weight_files(folder).tensors
    except StorageError:
        return None


def tied(table: Settings, has_head: bool | None, *, default: bool = True) -> bool:
    """Whether the embedding table predicts text: where the weights have no head, unless the table denies it.

    ``default``: what a family's config class says where the table is silent.

    A head in the weights is used, whatever the table says: ``tie_word_embeddings`` is often a default.
    """
    return table.flag("tie_word_embeddings", default and has_head is not None) and not has_head


def preprocessing(table: Settings, image_size: int, size: Any) -> dict[str, Any]:
    """Settings of the encoder from an image processor's config, whose size of pictures is ``size``."""
    if not table.values:
        return {}
    for name in ("do_normalize", "do_rescale", "do_resize", "do_pad"):
        table.only(name, True, None, default=True)
    if "rescale_factor" in table and abs(table.number("rescale_factor") * 255 - 1) > 1e-6:
        table.wrong("rescale_factor", f"is {table.values['rescale_factor']}, but janiform scales pictures by 1/255")
    if size is not None and size != image_size:
        table.wrong("size", f"is {size}, but the vision model's image_size is {image_size}")
    return {
        "mean": list(table.colour("image_mean")),
        "std": list(table.colour("image_std")),
        "min_size": table.count("min_size", 14),
    }


def llama_table(config: Any, dtype: str) -> dict[str, Any]:
    """A backbone's settings as the table of a ``LlamaConfig``: the inverse of ``llama``."""
    return {
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": config.width,
        "intermediate_size": config.inner,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads or config.heads,
        "vocab_size": config.vocabulary,
        "max_position_embeddings": config.context,
        "rms_norm_eps": config.eps,
        "rope_theta": config.rope_theta,
        "torch_dtype": dtype,
    }
