"""The names of TokenFlow's tensors in released files, and of its teacher's in those of CLIP and SigLIP."""

from __future__ import annotations

from janiform import KeyMap, Released

from ...encoders.config import ClipConfig
from ...encoders.weights import SIGLIP_TOWER, clip_tower
from ..weights import CODEBOOK_USED, WITHIN
from .config import TokenflowConfig


def tokenflow(config: TokenflowConfig) -> KeyMap:
    """The names of ``VQModel`` in TokenFlow.

    The teacher and the semantic decoder keep their initial values: pictures are drawn without either.
    """
    names = {
        "quantize.semantic.{rest}": "quantize.embedding_vqkd.{rest}",
        "quantize.pixel.{rest}": "quantize.embedding_vqgan.{rest}",
        "semantic_in.{rest}": "encode_task_layer.{rest}",
        "semantic_out.{rest}": "decode_task_layer.{rest}",
        "{rest}": "{rest}",
    }
    within = (*WITHIN, "encode_task_layer.", "decode_task_layer.")
    return KeyMap(names, within=within, unused=CODEBOOK_USED, own=("teacher.{rest}", "semantic_decoder.{rest}"))


def tokenflow_teacher(config: TokenflowConfig) -> KeyMap:
    """The names of the teacher in a whole CLIP or SigLIP of transformers; all other tensors keep their initial values.

    So a tokenizer begins to be trained.
    """
    sizes = config.teacher_config
    tower = clip_tower(sizes) if isinstance(sizes, ClipConfig) else SIGLIP_TOWER
    names = {f"teacher.encoder.{ours}": _under(tower.prefix, theirs) for ours, theirs in tower.names.items()}
    unused = {f"{tower.prefix}{theirs}": why for theirs, why in tower.unused.items()}
    if isinstance(sizes, ClipConfig):
        names |= {
            "teacher.projection.norm_{rest}": "vision_model.post_layernorm.{rest}",
            "teacher.projection.weight": "visual_projection.weight",
        }
        if config.projection:
            unused.pop("vision_model.post_layernorm.{rest}")
        else:
            unused["visual_projection.{rest}"] = "the teacher's features are not projected"
    else:
        last = f"vision_model.encoder.layers.{config.teacher_layers - 1}.{{rest}}"
        unused |= {
            last: "the features are taken before the last block",
            "vision_model.post_layernorm.{rest}": "it normalises what the last block gives",
        }
    parts = ("semantic_in", "semantic_out", "semantic_decoder", "encoder", "decoder", "quantize", "quant_conv",
             "post_quant_conv", *(("teacher.projection",) if tower is SIGLIP_TOWER else ()))  # fmt: skip
    return KeyMap(
        names,
        squeezed=tuple(f"teacher.encoder.{pattern}" for pattern in tower.squeezed),
        within=("vision_model.", "visual_projection."),
        unused=unused,
        own=tuple(f"{part}.{{rest}}" for part in parts),
    )


def _under(prefix: str, names: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return prefix + names if isinstance(names, str) else tuple(prefix + name for name in names)


TOKENFLOW = Released(lambda config: [tokenflow(config), tokenflow_teacher(config)])
