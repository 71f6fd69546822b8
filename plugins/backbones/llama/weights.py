"""The names of a Llama backbone's tensors in released files, below the prefix given."""

from janiform import KeyMap

_BLOCK = {
    "layers.{i}.attention.qkv_proj.weight": (
        "layers.{i}.self_attn.q_proj.weight",
        "layers.{i}.self_attn.k_proj.weight",
        "layers.{i}.self_attn.v_proj.weight",
    ),
    "layers.{i}.attention.o_proj.weight": "layers.{i}.self_attn.o_proj.weight",
    "layers.{i}.mlp.gate_up_proj.weight": ("layers.{i}.mlp.gate_proj.weight", "layers.{i}.mlp.up_proj.weight"),
    "layers.{i}.mlp.down_proj.weight": "layers.{i}.mlp.down_proj.weight",
    "layers.{i}.attention_norm.weight": "layers.{i}.input_layernorm.weight",
    "layers.{i}.mlp_norm.weight": "layers.{i}.post_attention_layernorm.weight",
}
_REST = {"embed_tokens.weight": "embed_tokens.weight", "norm.weight": "norm.weight"}


def _below(prefix: str) -> dict[str, str | tuple[str, ...]]:
    return {
        ours: prefix + theirs if isinstance(theirs, str) else tuple(prefix + name for name in theirs)
        for ours, theirs in {**_BLOCK, **_REST}.items()
    }


OFFICIAL_PREFIX = "language_model."
OFFICIAL = KeyMap(
    {**_below("model."), "lm_head.weight": "lm_head.weight"},
    repeats={"lm_head.weight": "model.embed_tokens.weight"},
)

TRANSFORMERS_PREFIX = ""
TRANSFORMERS = KeyMap(
    {**_below("model.language_model."), "lm_head.weight": "lm_head.weight"},
    claims=("model.language_model.{rest}", "lm_head.{rest}"),
    repeats={"lm_head.weight": "model.language_model.embed_tokens.weight"},
)
