"""The recipe of a Janus directory of transformers, read from its config, processor and tokenizer files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen
from janiform import Problem, Recipe, StorageError, read_bounded

from ...layouts.config import SYSTEM
from ..janus.parts import janus, preprocessing, read_backbone
from ..janus.settings import MAX_LAYERS, Settings, finish
from ..janus.tokens import Tokenizer, special_tokens
from .template import UnreadableTemplateError, read_template

MAX_LEVELS = 12
MAX_TEMPLATE_BYTES = 1 << 20
"""Maximum size of a chat template."""

_VARIABLES = {
    "bos_token": "begin",
    "eos_token": "end",
    "pad_token": "pad",
    "image_token": "placeholder",
    "boi_token": "begin_of_image",
    "eoi_token": "end_of_image",
}
"""Variables of chat templates, which are also settings of the tokenizer -> settings of the layout."""


@frozen
class _Template:
    """The text of a chat template, and where it stands."""

    text: str
    table: Settings
    setting: str = ""


def read(folder: Path, has_head: bool | None) -> Recipe:
    """Read the recipe. Raises ``StorageError`` with all errors in the files.

    ``has_head``: whether the weights hold a text head; None where they cannot be read.
    """
    config, backbone = read_backbone(folder, "text_config", has_head, tied_in_table=False)
    problems, width = config.problems, backbone["width"]
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
        "understanding.encoder": encoder | _preprocessing(folder, encoder["image_size"], problems),
        "understanding.adapter": {"depth": vision.count("depth", 2, MAX_LAYERS)},
        "generation.tokenizer": tokenizer,
        "generation.embedding": {"width": tokenizer["code_width"]},
        "generation.adapter": {"depth": vq.count("num_hidden_layers", 2, MAX_LAYERS)},
        "generation.head": {"depth": 2, "inner": width},
        "layout": _layout(folder, config, side * side, backbone["vocabulary"], problems),
    }
    finish(problems)
    return janus("Janus, from a directory in the Hugging Face format.", folder, parts)


def _side(table: Settings, name: str, default: int) -> int:
    """A size that may be written as an equal height and width."""
    value = table.values.get(name)
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        table = Settings({**table.values, name: value[0]}, table.file, table.problems, table.path)
    return table.count(name, default)


def _tower(table: Settings) -> dict[str, Any]:
    for name, only in (("hidden_act", "gelu"), ("attention_bias", True), ("use_qk_norm", False), ("num_channels", 3)):
        table.only(name, only, default=only)
    width, heads = table.count("hidden_size", 1024), table.count("num_attention_heads", 16)
    side, patch = _side(table, "image_size", 384), _side(table, "patch_size", 16)
    if width % heads:
        table.wrong("hidden_size", f"is {width}, which is not a multiple of the {heads} num_attention_heads")
    if side % patch:
        table.wrong("image_size", f"is {side}, which is not a multiple of patch_size {patch}")
    return {
        "image_size": side,
        "patch_size": patch,
        "width": width,
        "layers": table.count("num_hidden_layers", 24, MAX_LAYERS),
        "heads": heads,
        "inner": int(width * table.number("mlp_ratio", 4.0)),
        "eps": table.number("layer_norm_eps", 1e-6),
    }


def _tokenizer(table: Settings, side: int) -> dict[str, Any]:
    """Settings of the tokenizer, whose grid has the encoder's sides; transformers ignores ``num_patches`` as well."""
    for name, only in (("double_latent", False), ("in_channels", 3), ("out_channels", 3), ("hidden_act", "gelu")):
        table.only(name, only, default=only)
    levels = table.counts("channel_multiplier", (1, 1, 2, 2, 4), MAX_LEVELS)
    channels = table.count("base_channels", 128)
    if channels % 32:
        table.wrong("base_channels", f"is {channels}, which does not divide into the 32 groups of the norms")
    return {
        "image_size": side << (len(levels) - 1),
        "channels": channels,
        "multipliers": list(levels),
        "blocks": table.count("num_res_blocks", 2, MAX_LAYERS),
        "latent": table.count("latent_channels", 256),
        "vocabulary": table.count("num_embeddings", 16_384),
        "code_width": table.count("embed_dim", 8),
    }


def _preprocessing(folder: Path, image_size: int, problems: list[Problem]) -> dict[str, Any]:
    """Settings from the image processor's config, which newer versions keep in the processor's."""
    table = Settings.read(folder / "processor_config.json", problems, optional=True).table(
        "image_processor", optional=True
    )
    if not table.values:
        table = Settings.read(folder / "preprocessor_config.json", problems)
    size = table.values.get("size")
    return preprocessing(table, image_size, size.get("height") if isinstance(size, dict) else size)


def _layout(folder: Path, config: Settings, tokens: int, vocabulary: int, problems: list[Problem]) -> dict[str, Any]:
    table = Settings.read(folder / "processor_config.json", problems, optional=True)
    table.equal("num_image_tokens", tokens, "the number of patches")
    names = Settings.read(folder / "tokenizer_config.json", problems, optional=True)
    special = special_tokens(names)
    tokenizer = Tokenizer(folder, problems)
    named = {setting: special.text(name) for name, setting in _VARIABLES.items()}
    template = _template(folder, names)
    settings = tokenizer.layout(named, vocabulary)
    if settings:
        settings |= {"system": ""} | _form(template, settings, tokenizer)
        token_id = tokenizer.special.get(settings["placeholder"])
        if token_id is not None:
            config.equal("image_token_id", token_id, f"the id of '{settings['placeholder']}' in tokenizer.json")
        if table.flag("use_default_system_prompt", False):
            settings["system"] = SYSTEM
    return settings


def _form(template: _Template | None, tokens: Mapping[str, str], tokenizer: Tokenizer) -> dict[str, Any]:
    """The settings that the chat template decides; none where there is no template, or one that cannot be read."""
    if template is None:
        return {}
    context = {name: tokens[setting] for name, setting in _VARIABLES.items()}
    try:
        return read_template(template.text, context, tuple(tokenizer.special))
    except UnreadableTemplateError as error:
        template.table.wrong(
            template.setting,
            f"the roles of this chat template cannot be read: {error}",
            "fix the template; without one, the roles are those of tokenizer.json",
        )
        return {}


def _template(folder: Path, tokenizer: Settings) -> _Template | None:
    """The chat template, whose file differs between versions; None where there is none."""
    file = folder / "chat_template.jinja"
    if file.exists():
        table = Settings({}, file, tokenizer.problems)
        try:
            return _Template(read_bounded(file, MAX_TEMPLATE_BYTES).decode("utf-8-sig"), table)
        except OSError as error:
            table.wrong("", f"cannot be read: {error.strerror}")
        except StorageError as error:
            table.wrong("", str(error))
        except UnicodeDecodeError:
            table.wrong("", "is not a text in UTF-8")
        return None
    name = "chat_template"
    own = Settings.read(folder / "chat_template.json", tokenizer.problems, optional=True)
    processor = Settings.read(folder / "processor_config.json", [], optional=True)
    table = next((table for table in (own, processor, tokenizer) if name in table), None)
    if table is None:
        return None
    value = table.values[name]
    if isinstance(value, list):  # several templates by name, of which transformers takes the one called default
        named = [entry for entry in value if isinstance(entry, dict) and entry.get("name") == "default"]
        value = named[0].get("template") if len(named) == 1 else None
    if not isinstance(value, str):
        table.wrong(name, "must be a text, or a list of templates of which one is called 'default'")
        return None
    return _Template(value, table, name)
