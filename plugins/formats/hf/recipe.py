"""The recipe of a Janus directory of transformers, from its config, processor and tokenizer files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from janiform import Problem, Recipe

from ..janus.parts import eyes, janus, llama
from ..janus.settings import CONFIG, DEEPEST, Settings, finish
from ..janus.tokens import Tokenizer

LEVELS = 12
CONTEXT = 2048
"""Of a ``LlamaConfig`` that says nothing."""


def read(folder: Path, has_head: bool) -> Recipe:
    """Raises ``StorageError`` with everything that is wrong in the files.

    The config's ``tie_word_embeddings`` is true by default even where the weights are not tied, so that the weights
    decide: ``has_head`` says that they hold a text head, which is then used.
    """
    problems: list[Problem] = []
    config = Settings.read(folder / CONFIG, problems)
    if not config.values:
        finish(problems)
    backbone = llama(config.table("text_config"), CONTEXT)
    tied = config.values.get("tie_word_embeddings") is not False
    backbone["tied"] = tied and not has_head
    width = backbone["width"]
    vision, vq = config.table("vision_config"), config.table("vq_config")
    encoder = _tower(vision)
    side = encoder["image_size"] // encoder["patch_size"]
    vision.equal("projection_dim", width, "text_config.hidden_size")
    vision.equal("num_image_tokens", side * side, "the number of patches")
    tokenizer = _tokenizer(vq, side)
    vq.equal("projection_dim", width, "text_config.hidden_size")
    vq.equal("image_token_embed_dim", width, "text_config.hidden_size")
    parts: dict[str, dict[str, Any]] = {
        "backbone": backbone,
        "understanding.encoder": encoder | _eyes(folder, encoder["image_size"], problems),
        "understanding.adapter": {"depth": vision.count("depth", 2, DEEPEST)},
        "generation.tokenizer": tokenizer,
        "generation.embedding": {"width": tokenizer["code_width"]},
        "generation.adapter": {"depth": vq.count("num_hidden_layers", 2, DEEPEST)},
        "generation.head": {"depth": 2, "inner": width},
        "layout": _layout(folder, config, side * side, backbone["vocabulary"], problems),
    }
    finish(problems)
    return janus("Janus, from a directory of the Hugging Face layout.", folder, parts)


def _side(said: Settings, name: str, default: int) -> int:
    """A size that may be written as the same height and width."""
    value = said.values.get(name)
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        said = Settings({**said.values, name: value[0]}, said.file, said.problems, said.path)
    return said.count(name, default)


def _tower(said: Settings) -> dict[str, Any]:
    for name, only in (("hidden_act", "gelu"), ("attention_bias", True), ("use_qk_norm", False), ("num_channels", 3)):
        said.only(name, only, default=only)
    width, heads = said.count("hidden_size", 1024), said.count("num_attention_heads", 16)
    side, patch = _side(said, "image_size", 384), _side(said, "patch_size", 16)
    if width % heads:
        said.wrong("hidden_size", f"is {width}, which is not a multiple of the {heads} num_attention_heads")
    if side % patch:
        said.wrong("image_size", f"is {side}, which is not a multiple of patch_size {patch}")
    return {
        "image_size": side,
        "patch_size": patch,
        "width": width,
        "layers": said.count("num_hidden_layers", 24, DEEPEST),
        "heads": heads,
        "inner": int(width * said.number("mlp_ratio", 4.0)),
        "eps": said.number("layer_norm_eps", 1e-6),
    }


def _tokenizer(said: Settings, side: int) -> dict[str, Any]:
    """The grid of codes has the encoder's sides, as in the port; ``num_patches`` is not read there either."""
    for name, only in (("double_latent", False), ("in_channels", 3), ("out_channels", 3), ("hidden_act", "gelu")):
        said.only(name, only, default=only)
    levels = said.counts("channel_multiplier", (1, 1, 2, 2, 4), LEVELS)
    channels = said.count("base_channels", 128)
    if channels % 32:
        said.wrong("base_channels", f"is {channels}, which does not divide into the 32 groups of the norms")
    return {
        "image_size": side << (len(levels) - 1),
        "channels": channels,
        "multipliers": list(levels),
        "blocks": said.count("num_res_blocks", 2, DEEPEST),
        "latent": said.count("latent_channels", 256),
        "vocabulary": said.count("num_embeddings", 16_384),
        "code_width": said.count("embed_dim", 8),
    }


def _eyes(folder: Path, image_size: int, problems: list[Problem]) -> dict[str, Any]:
    """The image processor's config, which newer versions keep in that of the processor."""
    said = Settings.read(folder / "processor_config.json", problems, optional=True).table(
        "image_processor", optional=True
    )
    if not said.values:
        said = Settings.read(folder / "preprocessor_config.json", problems)
    size = said.values.get("size")
    return eyes(said, image_size, size.get("height") if isinstance(size, dict) else size)


def _layout(folder: Path, config: Settings, tokens: int, vocabulary: int, problems: list[Problem]) -> dict[str, Any]:
    said = Settings.read(folder / "processor_config.json", problems, optional=True)
    said.equal("num_image_tokens", tokens, "the number of patches")
    names = Settings.read(folder / "tokenizer_config.json", problems, optional=True)
    special = _special(names)
    tokenizer = Tokenizer(folder, problems)
    named = {
        "begin": special.text("bos_token"),
        "end": special.text("eos_token"),
        "pad": special.text("pad_token"),
        "placeholder": special.text("image_token"),
        "begin_of_image": special.text("boi_token"),
        "end_of_image": special.text("eoi_token"),
    }
    settings = tokenizer.layout(named, vocabulary, _template(folder, names))
    if settings:
        known = tokenizer.special.get(settings["placeholder"])
        if known is not None:
            config.equal("image_token_id", known, f"the id of '{settings['placeholder']}' in tokenizer.json")
        if said.values.get("use_default_system_prompt") is False:
            settings["system"] = ""
    return settings


def _special(names: Settings) -> Settings:
    """The tokenizer's special tokens; older versions keep those that are Janus' own in a table of their own."""
    more = names.values.get("extra_special_tokens")
    values = {**names.values, **more} if isinstance(more, dict) else names.values
    return Settings(values, names.file, names.problems)


def _template(folder: Path, tokenizer: Settings) -> str:
    """The chat template, which has moved from file to file over the versions."""
    try:
        return (folder / "chat_template.jinja").read_text(encoding="utf-8", errors="replace")
    except OSError:
        pass
    said = Settings.read(folder / "chat_template.json", [], optional=True).values.get("chat_template")
    said = said or tokenizer.values.get("chat_template")
    return said if isinstance(said, str) else ""
