"""Which components Janus is made of, where they stand, and what Llama's config says of its backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from janiform import CompositionError, Origin, Plan, Problem, Recipe, RecipeError, StorageError, build, use

from .settings import CONFIG, DEEPEST, Settings

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
"""Path -> component."""

EYES = ("mean", "std", "min_size")
"""Settings of the encoder that an image processor's config says."""


def janus(description: str, folder: Path, parts: dict[str, dict[str, Any]]) -> Recipe:
    """The recipe of these settings, by path. Raises ``StorageError`` with what no part can be made of."""
    tables: dict[str, Any] = {}
    for path, component in PARTS.items():
        first, _, name = path.partition(".")
        place = tables.setdefault(first, {}) if name else tables
        place[name or first] = use(f"{component}@1", **parts.get(path, {}))
    try:
        recipe = build(name="janus", description=description, **tables)
    except RecipeError as error:
        origin = Origin(str(folder / CONFIG))
        raise StorageError([attrs.evolve(problem, origin=origin) for problem in error.problems]) from error
    own = {path: _place(folder, path) for path, origin in recipe.origins.items() if origin.source == __file__}
    return attrs.evolve(recipe, origins={**recipe.origins, **own})


def _place(folder: Path, path: str) -> Origin:
    """Where a setting stands: sizes in the config, the rest in files that versions name differently."""
    part, _, name = path.rpartition(".")
    elsewhere = part == "layout" or (part == "understanding.encoder" and name in EYES)
    return Origin(str(folder if elsewhere or part not in PARTS or name == "use" else folder / CONFIG))


def configs(plan: Plan, layout: str) -> dict[str, Any]:
    """The configs of a Janus by path. Raises ``CompositionError`` with all that makes the plan another model."""
    problems = []
    for path, component in PARTS.items():
        part = plan.parts.get(path)
        if part is None:
            problems.append(Problem(f"the {layout} layout has this part, and the recipe has none", path))
        elif part.owner is not None:
            problems.append(Problem(f"the {layout} layout cannot share parts, and this one is {part.owner}", path))
        elif part.use.component.name != component:
            name = part.use.component.name
            problems.append(Problem(f"the {layout} layout has '{component}' here, and the recipe '{name}'", path))
    problems += [
        Problem(f"the {layout} layout has no place for this part", path) for path in plan.parts if path not in PARTS
    ]
    if problems:
        raise CompositionError(problems)
    return {path: plan.parts[path].use.config for path in PARTS}


def llama(said: Settings, context: int) -> dict[str, Any]:
    """Settings of the backbone, but for ``tied``, from what transformers calls a ``LlamaConfig``.

    What is not said has the defaults of that class, as in the released config of Janus-Pro-7B; ``context`` is that of
    ``max_position_embeddings``.
    """
    said.only("model_type", "llama", default="llama")
    said.only("hidden_act", "silu", default="silu")
    said.only("attention_bias", False, default=False)
    said.only("mlp_bias", False, default=False)
    said.only("rope_scaling", None, default=None)
    rope = said.table("rope_parameters", optional=True)
    rope.only("rope_type", "default", default="default")
    rope.only("partial_rotary_factor", 1, default=1)
    heads = said.count("num_attention_heads", 32)
    width = said.count("hidden_size", 4096)
    if width % (2 * heads):
        said.wrong("hidden_size", f"is {width}, which does not divide into {heads} heads of an even width")
    said.equal("head_dim", width // heads, "hidden_size / num_attention_heads")
    kv_heads = said.count("num_key_value_heads", heads)
    if heads % kv_heads:
        said.wrong("num_key_value_heads", f"is {kv_heads}, which does not divide the {heads} num_attention_heads")
    return {
        "width": width,
        "inner": said.count("intermediate_size", 11_008),
        "layers": said.count("num_hidden_layers", 32, DEEPEST),
        "heads": heads,
        "kv_heads": kv_heads,
        "vocabulary": said.count("vocab_size", 32_000),
        "context": said.count("max_position_embeddings", context),
        "rope_theta": (rope if "rope_theta" in rope else said).number("rope_theta", 10_000.0),
        "eps": said.number("rms_norm_eps", 1e-6),
    }


def eyes(said: Settings, image_size: int, size: Any) -> dict[str, Any]:
    """How pictures become the encoder's pixels, from an image processor's config; ``size`` is what that says of it."""
    if not said.values:
        return {}
    for name in ("do_normalize", "do_rescale", "do_resize", "do_pad"):
        said.only(name, True, None, default=True)
    if "rescale_factor" in said and abs(said.number("rescale_factor") * 255 - 1) > 1e-6:
        said.wrong("rescale_factor", f"is {said.values['rescale_factor']}, and pictures are scaled by 1/255")
    if size is not None and size != image_size:
        said.wrong("size", f"is {size}, but the vision model's image_size is {image_size}")
    return {
        "mean": list(said.colour("image_mean")),
        "std": list(said.colour("image_std")),
        "min_size": said.count("min_size", 14),
    }


def llama_table(config: Any, dtype: str) -> dict[str, Any]:
    """A backbone's settings as a ``LlamaConfig``: the counterpart of ``llama``."""
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
