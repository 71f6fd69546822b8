"""A causal language model of transformers as a backbone.

B rows    T positions    H hidden width    V vocabulary
"""

from __future__ import annotations

import inspect
from collections import Counter
from typing import Any, cast

import torch
from janiform import Hidden, KVCache, Mask
from torch import Tensor

from .attention import NAME, AttentionCall, ForwardContext, bridged_attention
from .bridged import Bridged
from .config import BridgedBackboneConfig
from .library import config_of, key_of, library, refuse

_LAYERS = ("full_attention", "sliding_attention")

_BATCH_DEPENDENT = ("dynamic", "longrope")
"""Types of rotary positions that depend on the longest sequence of a batch, so that rows are not independent."""

_CHECKED: set[tuple[str, Hidden]] = set()
"""Models that passed ``check``, and their ports."""


class BridgedBackbone(Bridged):
    """Embeddings [B, T, H] -> hidden states [B, T, H] after the final norm.

    Each method includes what transformers does at its place: ``embed`` the scale of text embeddings, ``forward`` what
    is done to all embeddings, ``logits`` the scale and the cap of logits.
    """

    def __init__(self, config: BridgedBackboneConfig) -> None:
        super().__init__()
        library().AttentionInterface.register(NAME, bridged_attention)
        described = config_of(config)
        chosen = _class(described)
        key = key_of(config), config.hidden()
        if key not in _CHECKED:  # the check takes seconds for a deep model, and models are often built several times
            with torch.device("meta"):
                check(_made(chosen, described), config.hidden())
            _CHECKED.add(key)
        self.causal = _made(chosen, described)

    def forward(self, embeddings: Tensor, positions: Tensor, mask: Mask, cache: KVCache | None = None) -> Tensor:
        """Hidden states of T positions, which follow those in the cache; the mask covers cached and new keys."""
        hidden = run_base(self.causal, embeddings, positions, ForwardContext(mask, cache))
        if cache is not None:
            cache.advance(embeddings.shape[1])
        return hidden

    def embed(self, ids: Tensor) -> Tensor:
        """Text ids [B, T] -> embeddings [B, T, H]."""
        return cast(Tensor, self.causal.get_input_embeddings()(ids))

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., H] -> text logits [..., V]."""
        flat = hidden.reshape(1, -1, hidden.shape[-1])
        output = type(self.causal).forward(_WithoutBase(self.causal, flat), inputs_embeds=flat, use_cache=False)
        return cast(Tensor, output.logits).view(*hidden.shape[:-1], -1)


def run_base(causal: Any, embeddings: Tensor, positions: Tensor, context: ForwardContext) -> Tensor:
    """The hidden states of a model's base, which passes ``context`` to the attention of every layer."""
    output = causal.base_model(
        inputs_embeds=embeddings, position_ids=positions, use_cache=False, return_dict=True, janiform_context=context
    )
    return cast(Tensor, output.last_hidden_state)


class _WithoutBase:
    """A causal language model whose base returns given hidden states, so that its ``forward`` runs the head alone.

    Each family thus applies its own scale and cap to the logits, by its own code.
    """

    def __init__(self, causal: Any, hidden: Tensor) -> None:
        object.__setattr__(self, "_causal", causal)
        object.__setattr__(self, "_hidden", hidden)

    def __getattr__(self, name: str) -> Any:
        return _Base(self._hidden) if name == self._causal.base_model_prefix else getattr(self._causal, name)


class _Base:
    """A base, or its decoder, that returns given hidden states for all arguments."""

    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden

    def __call__(self, *_: Any, **__: Any) -> _BaseOutput:
        return _BaseOutput(self.hidden)

    @property
    def decoder(self) -> _Base:
        return self


class _BaseOutput:
    """The output of a base: hidden states, and None for all else."""

    def __init__(self, hidden: Tensor) -> None:
        self.last_hidden_state = hidden

    def __getattr__(self, name: str) -> None:
        return None

    def __getitem__(self, index: int | slice) -> Any:
        return (self.last_hidden_state,)[index]


def _made(chosen: Any, described: Any) -> Any:
    return chosen._from_config(described, attn_implementation=NAME)


def _class(described: Any) -> Any:
    """The class of the model. Raises ``CompositionError`` where the model or its config cannot be bridged."""
    transformers = library()
    if getattr(described, "is_encoder_decoder", False):
        raise refuse(described, "it has an encoder and a decoder, but a backbone is a single causal stack")
    classes = transformers.MODEL_FOR_CAUSAL_LM_MAPPING
    if type(described) not in classes:
        hint = "use it as an encoder" if type(described) in transformers.MODEL_MAPPING else ""
        raise refuse(described, "it is not a causal language model", hint)
    chosen = classes[type(described)]
    if type(described) in transformers.MODEL_FOR_MASKED_LM_MAPPING:
        raise refuse(described, "it is a bidirectional model, not a causal language model")
    if getattr(chosen, "_is_stateful", False):
        raise refuse(described, "it has a recurrent state, which a cache of keys and values cannot hold")
    if unknown := sorted(set(getattr(described, "layer_types", None) or ()) - set(_LAYERS)):
        raise refuse(described, f"it has layers of {', '.join(unknown)}, which mask and cache do not support")
    for rope in _ropes(described):
        if rope in _BATCH_DEPENDENT:
            raise refuse(described, f"its rotary positions of type '{rope}' depend on the longest row of a batch")
    if not getattr(chosen, "_supports_attention_backend", False):
        raise refuse(described, "its attention cannot be replaced, so that it would ignore janiform's masks")
    return chosen


def _ropes(described: Any) -> list[str]:
    """The types of rotary positions, which may differ between types of layers."""
    rope = getattr(described, "rope_parameters", None) or {}
    tables = [rope, *(table for table in rope.values() if isinstance(table, dict))]
    return [table["rope_type"] for table in tables if "rope_type" in table]


def check(shell: Any, port: Hidden) -> None:
    """Run a model on two positions on the meta device.

    Raises ``CompositionError`` where a layer does something that janiform's attention does not support, or where sizes
    differ from those of the port.
    """
    described, calls = shell.config, list[AttentionCall]()
    if "position_ids" not in inspect.signature(shell.base_model.forward).parameters:
        raise refuse(described, "it takes no positions, so that padding and packing would shift its tokens")
    shell.eval().to(torch.bfloat16)  # on the meta device, grouped products of experts accept no other type
    embeddings = torch.empty(1, 2, port.width, dtype=torch.bfloat16, device="meta")
    positions = torch.zeros(1, 2, dtype=torch.int64, device="meta")
    try:
        with torch.no_grad(), torch.device("meta"):
            hidden = run_base(shell, embeddings, positions, ForwardContext(Mask.causal(), calls=calls))
            logits = type(shell).forward(_WithoutBase(shell, hidden), inputs_embeds=hidden, use_cache=False).logits
            embedded = shell.get_input_embeddings()(positions)
    except Exception as error:  # the code of any model may raise anything
        reason = str(error).strip().partition("\n")[0]
        raise refuse(described, f"it cannot run on embeddings: {reason}") from error
    if not calls:
        raise refuse(described, "none of its layers uses an attention that can be replaced")
    _check_calls(described, calls, port)
    sizes = {"hidden states": (hidden, port.width), "embeddings": (embedded, port.width), "logits": (logits, None)}
    for name, (tensor, width) in sizes.items():
        if tuple(tensor.shape) != (1, 2, width or port.vocabulary):
            raise refuse(described, f"its {name} have the shape {list(tensor.shape)}, but its config states {port}")


def _check_calls(described: Any, calls: list[AttentionCall], port: Hidden) -> None:
    layers = Counter(call.layer for call in calls)
    if layers != Counter(range(port.layers)):
        found = f"{len(calls)} times in layers {', '.join(map(str, sorted(layers)))}"
        raise refuse(described, f"it calls attention {found}, instead of once in each of its {port.layers} layers")
    windows = _windows(described, port.layers)
    for call in calls:
        if call.unknown:
            raise refuse(described, f"its attention uses {', '.join(call.unknown)}, which janiform does not support")
        if call.keys != call.values:
            shapes = f"{list(call.keys)} and {list(call.values)}"
            raise refuse(described, f"its keys and values have different shapes, {shapes}")
        if call.keys != (1, port.kv_heads, 2, port.head_width):
            heads = f"{call.keys[1]} key heads of width {call.keys[3]}"
            stated = f"{port.kv_heads} of width {port.head_width}"
            raise refuse(described, f"layer {call.layer} has {heads}, but its config states {stated}")
        if call.window != windows[call.layer]:
            window = f"a sliding window of {call.window}" if call.window else "no sliding window"
            raise refuse(
                described, f"the attention of layer {call.layer} has {window}, but its config states otherwise"
            )


def _windows(described: Any, layers: int) -> list[int | None]:
    """The sliding window of each layer, from the config."""
    window = getattr(described, "sliding_window", None)
    if window is not None and not getattr(described, "use_sliding_window", True):
        window = None
    kinds = getattr(described, "layer_types", None) or ["sliding_attention"] * layers
    return [window if kind == "sliding_attention" else None for kind in kinds]
