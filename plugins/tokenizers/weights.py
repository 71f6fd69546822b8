"""The names of the tokenizers' tensors in released files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve
from janiform import KeyMap, Released

from ..encoders.weights import SIGLIP, SIGLIP_TOWER
from .config import TamingConfig
from .features.config import FeaturesConfig
from .kl.config import KlConfig
from .magvit2.config import Magvit2Config
from .movq.config import MovqConfig

CODEBOOK_USED = {"quantize.codebook_used": "it counts how often codes are used in training"}

_IDLE = ("quantize.idle",)

_MIDDLE = {
    "{half}.mid.0.{rest}": "{half}.mid.block_1.{rest}",
    "{half}.mid.1.{rest}": "{half}.mid.attn_1.{rest}",
    "{half}.mid.2.{rest}": "{half}.mid.block_2.{rest}",
}

OFFICIAL = KeyMap({"{rest}": "{rest}"}, prefix="gen_vision_model.", unused=CODEBOOK_USED, own=_IDLE)
"""The names of ``vq`` in the official directories of Janus."""

TRANSFORMERS = KeyMap(
    {
        "encoder.conv_blocks.{i}.res.{j}.{rest}": "encoder.down.{i}.block.{j}.{rest}",
        "encoder.conv_blocks.{i}.{rest}": "encoder.down.{i}.{rest}",
        "decoder.conv_blocks.{i}.res.{j}.{rest}": "decoder.up.{i}.block.{j}.{rest}",
        "decoder.conv_blocks.{i}.{rest}": "decoder.up.{i}.{rest}",
        **_MIDDLE,
        "{rest}": "{rest}",
    },
    prefix="model.vqmodel.",
    unused=CODEBOOK_USED,
    own=_IDLE,
)
"""The names of ``vq`` in the directories of Janus that transformers writes."""

WITHIN = ("encoder.", "decoder.", "quantize.", "quant_conv.", "post_quant_conv.")


def _levels(count: int, down: str = "down", up: str = "up") -> Iterator[tuple[str, str]]:
    """The names of all levels here and in taming-transformers, where the decoder counts from the largest sides."""
    for index in range(count):
        yield f"encoder.conv_blocks.{index}", f"encoder.{down}.{index}"
        yield f"decoder.conv_blocks.{index}", f"decoder.{up}.{count - 1 - index}"


def _level_names(count: int) -> dict[str, str]:
    names = {}
    for ours, theirs in _levels(count):
        names[f"{ours}.res.{{j}}.{{rest}}"] = f"{theirs}.block.{{j}}.{{rest}}"
        names[f"{ours}.{{rest}}"] = f"{theirs}.{{rest}}"
    return names


def taming(config: TamingConfig) -> KeyMap:
    """The names of a VQGAN in taming-transformers.

    ``ChameleonVQVAE`` in transformers has the same names, but no decoder: see ``chameleon``.
    """
    names = _level_names(len(config.multipliers))
    return KeyMap({**names, **_MIDDLE, "{rest}": "{rest}"}, within=WITHIN, own=_IDLE)


def chameleon(config: TamingConfig) -> KeyMap:
    """The names in the directories of Chameleon that transformers writes. They have no decoder.

    The decoder keeps its initial value, so that such a model can look at pictures and be trained, but not draw, until
    its decoder comes from a file of taming-transformers.
    """
    return evolve(taming(config).below("model.vqmodel."), own=(*_IDLE, "decoder.{rest}"))


def show_o(config: Magvit2Config) -> KeyMap:
    """The names of ``MAGViTv2`` in Show-o."""
    names = {
        "quant_conv.{rest}": "encoder.quant_conv.{rest}",
        "post_quant_conv.{rest}": "decoder.post_quant_conv.{rest}",
    }
    names |= _level_names(len(config.multipliers))
    table = "codes are the bits of their numbers, so that no table of them is needed"
    unused = {"quantize.embedding": table, "quantize.power_vals": table}
    return KeyMap({**names, **_MIDDLE, "{rest}": "{rest}"}, within=WITHIN, unused=unused)


def emu3(config: MovqConfig) -> KeyMap:
    """The names of ``Emu3VisionVQModel``, as in the directories that Emu3's authors publish."""
    names = _level_names(len(config.multipliers))
    return KeyMap({**names, **_MIDDLE, **_TIME, "{rest}": "{rest}"}, within=WITHIN, own=_IDLE, unused=_TRACKED)


def emu3_transformers(config: MovqConfig) -> KeyMap:
    """The names of ``Emu3VQVAE`` in transformers, whose attention has matrices instead of 1×1 convolutions."""
    names = {}
    for ours, theirs in _levels(len(config.multipliers), "down_block.down", "up_block.up"):
        names[f"{ours}.res.{{j}}.{{rest}}"] = f"{theirs}.block.{{j}}.{{rest}}"
        names |= _attention(f"{ours}.attn.{{j}}", f"{theirs}.attn.{{j}}", f"{theirs}.attn_norms.{{j}}")
        names[f"{ours}.{{rest}}"] = f"{theirs}.{{rest}}"
    middle = {
        "{half}.mid.0.{rest}": "{half}.middle_block.block_1.{rest}",
        **_attention("{half}.mid.1", "{half}.middle_block.attn_1", "{half}.middle_block.attn_norm"),
        "{half}.mid.2.{rest}": "{half}.middle_block.block_2.{rest}",
    }
    return KeyMap(
        {**names, **middle, **_TIME, "{rest}": "{rest}"},
        matrices=tuple(f"{{rest}}.{layer}.weight" for layer in ("q", "k", "v", "proj_out")),
        within=WITHIN,
        own=_IDLE,
        unused=_TRACKED,
    )


_TIME = {
    "{half}_time.convs.{i}.{rest}": "{half}.time_conv.{i}.conv.{rest}",
    "{half}_time.blocks.{i}.{rest}": "{half}.time_res_stack.{i}.{rest}",
}

_TRACKED = {"{rest}.num_batches_tracked": "the statistics are not updated, so that batches need not be counted"}


def _attention(ours: str, theirs: str, norm: str) -> dict[str, str]:
    layers = {f"{ours}.{letter}.{{rest}}": f"{theirs}.{letter}_proj.{{rest}}" for letter in "qkv"}
    return {
        f"{ours}.norm.{{rest}}": f"{norm}.{{rest}}",
        **layers,
        f"{ours}.proj_out.{{rest}}": f"{theirs}.out_proj.{{rest}}",
    }


def _type_of_model(*types: str) -> Callable[[Any, Mapping[str, Any]], dict[str, tuple[Any, Any]]]:
    """Refuse the config of another type of model than these, of which the first is the tokenizer's own in a whole one.

    Sizes are not compared: the shapes of the tensors tell them.
    """

    def differences(config: Any, released: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        model_type = types[0] if isinstance(released.get("vq_config"), Mapping) else released.get("model_type")
        if model_type is not None and model_type not in types:
            raise ValueError(f"the directory holds a model of type '{model_type}'; this tokenizer takes '{types[0]}'")
        return {}

    return differences


TAMING = Released(
    lambda config: [taming(config).below(prefix) for prefix in ("", "model.vqmodel.", "vqmodel.")],
    _type_of_model("chameleon_vqgan"),
    files=("vqgan.ckpt", "model.ckpt", "last.ckpt"),
)

MOVQ = Released(
    lambda config: [
        emu3(config),
        *(emu3_transformers(config).below(prefix) for prefix in ("", "model.vqmodel.", "vqmodel.")),
    ],
    _type_of_model("emu3_vqgan", "Emu3VisionVQ"),
)

MAGVIT2 = Released(lambda config: [show_o(config)])


_KL_WITHIN = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")

_ATTENTION = ("q", "k", "v", "proj_out")


def latent_diffusion(config: KlConfig) -> KeyMap:
    """The names of ``AutoencoderKL`` in latent diffusion, as in the ``ae.safetensors`` of FLUX."""
    names = _level_names(len(config.multipliers))
    return KeyMap({**names, **_MIDDLE, "{rest}": "{rest}"}, within=_KL_WITHIN)


def diffusers(config: KlConfig, layers: Sequence[str] = ("to_q", "to_k", "to_v", "to_out.0")) -> KeyMap:
    """The names of ``AutoencoderKL`` in diffusers, whose attention has matrices: ``layers``, for q, k, v and out."""
    names = {}
    for half, blocks, resampling in (("encoder", "down_blocks", "downsample"), ("decoder", "up_blocks", "upsample")):
        ours, theirs = f"{half}.conv_blocks.{{i}}", f"{half}.{blocks}.{{i}}"
        names |= _residual(f"{ours}.res.{{j}}", f"{theirs}.resnets.{{j}}")
        names |= _linear_attention(f"{ours}.attn.{{j}}", f"{theirs}.attentions.{{j}}", layers)
        names[f"{ours}.{resampling}.{{rest}}"] = f"{theirs}.{resampling}rs.0.{{rest}}"
    middle = {
        **_residual("{half}.mid.0", "{half}.mid_block.resnets.0"),
        **_linear_attention("{half}.mid.1", "{half}.mid_block.attentions.0", layers),
        **_residual("{half}.mid.2", "{half}.mid_block.resnets.1"),
        "{half}.norm_out.{rest}": "{half}.conv_norm_out.{rest}",
    }
    matrices = tuple(f"{{rest}}.{layer}.weight" for layer in _ATTENTION)
    return KeyMap({**names, **middle, "{rest}": "{rest}"}, matrices=matrices, within=_KL_WITHIN)


def _residual(ours: str, theirs: str) -> dict[str, str]:
    return {
        f"{ours}.nin_shortcut.{{rest}}": f"{theirs}.conv_shortcut.{{rest}}",
        f"{ours}.{{rest}}": f"{theirs}.{{rest}}",
    }


def _linear_attention(ours: str, theirs: str, layers: Sequence[str]) -> dict[str, str]:
    of_layers = {
        f"{ours}.{our}.{{rest}}": f"{theirs}.{their}.{{rest}}" for our, their in zip(_ATTENTION, layers, strict=True)
    }
    return {f"{ours}.norm.{{rest}}": f"{theirs}.group_norm.{{rest}}", **of_layers}


def _of_autoencoder_kl(config: KlConfig, released: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Compare with the ``config.json`` of a model in diffusers; that of another library says nothing about the file."""
    name = released.get("_class_name")
    if name is None:
        return {}
    if name != "AutoencoderKL":
        raise ValueError(f"the directory holds {name!r}; this tokenizer takes 'AutoencoderKL'")
    by_channel = [key for key in ("latents_mean", "latents_std") if released.get(key) is not None]
    if by_channel:
        raise ValueError(
            f"the file has {by_channel[0]}, numbers per channel; this tokenizer has one scale and one shift"
        )
    theirs = {
        "scale": released.get("scaling_factor", config.scale),
        "shift": released.get("shift_factor", config.shift) or 0.0,
        "groups": released.get("norm_num_groups", config.groups),
    }
    return {key: (getattr(config, key), value) for key, value in theirs.items() if getattr(config, key) != value}


KL = Released(
    lambda config: [
        *(latent_diffusion(config).below(prefix) for prefix in ("", "first_stage_model.", "vae.")),
        *(diffusers(config).below(prefix) for prefix in ("", "vae.")),
        diffusers(config, ("query", "key", "value", "proj_attn")),
    ],
    _of_autoencoder_kl,
    files=("ae.safetensors", "kl16.ckpt", "sdxl_vae.safetensors", "vae.safetensors", "model.ckpt", "last.ckpt"),
)


def _siglip(own: tuple[str, ...], *, final_norm: bool = True) -> list[KeyMap]:
    """The names of an encoder in the directories of SigLIP, in any of their layouts; ``own`` keep initial values."""
    unused = dict(SIGLIP_TOWER.unused)
    if not final_norm:
        unused["post_layernorm.{rest}"] = "features are taken before the last norm"
    tower = evolve(
        SIGLIP_TOWER,
        names={f"encoder.{ours}": theirs for ours, theirs in SIGLIP_TOWER.names.items()},
        squeezed=tuple(f"encoder.{pattern}" for pattern in SIGLIP_TOWER.squeezed),
        unused=unused,
        own=own,
    )
    return [tower.below(prefix) for prefix in ("vision_model.", "", "vision_tower.vision_model.")]


def siglip_features(config: FeaturesConfig) -> list[KeyMap]:
    """The names of the encoder of ``features`` in the directories of SigLIP, which have no decoder."""
    return _siglip(("decoder.{rest}",), final_norm=config.final_norm)


FEATURES = Released(siglip_features, SIGLIP.differences)

_QUANTISER = ("quantize.{rest}", "quant_conv.{rest}", "post_quant_conv.{rest}", "decoder.{rest}")

SIGLIP_RVQ = Released(lambda config: _siglip(_QUANTISER), SIGLIP.differences)
"""The directory of a SigLIP gives the encoder its weights; the rest of the tokenizer begins anew."""
