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

from .attention import NAME, Call, Pass, bridged_attention
from .bridged import Bridged
from .config import BridgedBackboneConfig
from .library import config_of, key_of, library, refuse

_LAYERS = ("full_attention", "sliding_attention")

_MOVING = ("dynamic", "longrope")
"""Rotary positions that hang on the longest sequence of a batch, so that a row is not what it is alone."""

_WATCHED: set[tuple[str, Hidden]] = set()
"""Models that ``check`` found nothing wrong with, and their ports."""


class BridgedBackbone(Bridged):
    """Embeddings [B, T, H] -> hidden states [B, T, H] after the final norm.

    What transformers does to embeddings of text (a scale) is done by ``embed``, what it does to any embeddings by
    ``forward``, and what it does to logits (a scale, a cap) by ``logits``.
    """

    def __init__(self, config: BridgedBackboneConfig) -> None:
        super().__init__()
        library().AttentionInterface.register(NAME, bridged_attention)
        described = config_of(config)
        chosen = _class(described)
        watched = key_of(config), config.hidden()
        if watched not in _WATCHED:  # it takes seconds for a deep model, and a model is often built several times
            with torch.device("meta"):
                check(_made(chosen, described), config.hidden())
            _WATCHED.add(watched)
        self.causal = _made(chosen, described)

    def forward(self, embeddings: Tensor, positions: Tensor, mask: Mask, cache: KVCache | None = None) -> Tensor:
        """With a cache, the T given positions follow those already in it, and the mask covers cached and new keys."""
        hidden = read(self.causal, embeddings, positions, Pass(mask, cache))
        if cache is not None:
            cache.advance(embeddings.shape[1])
        return hidden

    def embed(self, ids: Tensor) -> Tensor:
        """Text ids [B, T] -> embeddings [B, T, H]."""
        return cast(Tensor, self.causal.get_input_embeddings()(ids))

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., H] -> text logits [..., V]."""
        flat = hidden.reshape(1, -1, hidden.shape[-1])
        given = type(self.causal).forward(_WithoutBase(self.causal, flat), inputs_embeds=flat, use_cache=False)
        return cast(Tensor, given.logits).view(*hidden.shape[:-1], -1)


def read(causal: Any, embeddings: Tensor, positions: Tensor, brought: Pass) -> Tensor:
    """The hidden states of a model's base, in which ``brought`` reaches every attention."""
    given = causal.base_model(
        inputs_embeds=embeddings, position_ids=positions, use_cache=False, return_dict=True, janiform_pass=brought
    )
    return cast(Tensor, given.last_hidden_state)


class _WithoutBase:
    """A causal language model whose base gives hidden states that are known: what is left is its head.

    So every family's own scale and cap of the logits are applied, and by its own code.
    """

    def __init__(self, causal: Any, hidden: Tensor) -> None:
        object.__setattr__(self, "_causal", causal)
        object.__setattr__(self, "_hidden", hidden)

    def __getattr__(self, name: str) -> Any:
        return _Base(self._hidden) if name == self._causal.base_model_prefix else getattr(self._causal, name)


class _Base:
    """A base, or the decoder inside of one, that gives hidden states whatever it is asked."""

    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden

    def __call__(self, *_: Any, **__: Any) -> _Known:
        return _Known(self.hidden)

    @property
    def decoder(self) -> _Base:
        return self


class _Known:
    """The output of a base: hidden states, and nothing else."""

    def __init__(self, hidden: Tensor) -> None:
        self.last_hidden_state = hidden

    def __getattr__(self, name: str) -> None:
        return None

    def __getitem__(self, index: int | slice) -> Any:
        return (self.last_hidden_state,)[index]


def _made(chosen: Any, described: Any) -> Any:
    return chosen._from_config(described, attn_implementation=NAME)


def _class(described: Any) -> Any:
    """The class of the model. Raises ``CompositionError`` where what it is, or its config, cannot be bridged."""
    transformers = library()
    if getattr(described, "is_encoder_decoder", False):
        raise refuse(described, "it is an encoder and a decoder, and a backbone is one stack that looks back")
    known = transformers.MODEL_FOR_CAUSAL_LM_MAPPING
    if type(described) not in known:
        hint = "use it as an encoder" if type(described) in transformers.MODEL_MAPPING else ""
        raise refuse(described, "it is no causal language model", hint)
    chosen = known[type(described)]
    if type(described) in transformers.MODEL_FOR_MASKED_LM_MAPPING:
        raise refuse(described, "it was made to look both ways, and is no language model to build on")
    if getattr(chosen, "_is_stateful", False):
        raise refuse(described, "it carries a state from position to position, which a cache of keys and values is not")
    if strange := sorted(set(getattr(described, "layer_types", None) or ()) - set(_LAYERS)):
        raise refuse(described, f"it has layers of {', '.join(strange)}, which neither mask nor cache can express")
    for rope in _ropes(described):
        if rope in _MOVING:
            raise refuse(described, f"its rotary positions are '{rope}', which hang on the longest row of a batch")
    if not getattr(chosen, "_supports_attention_backend", False):
        raise refuse(described, "its attention is its own and cannot be replaced, so that it would not see our masks")
    return chosen


def _ropes(described: Any) -> list[str]:
    """The types of rotary positions, of which there may be one for every type of layers."""
    said = getattr(described, "rope_parameters", None) or {}
    tables = [said, *(table for table in said.values() if isinstance(table, dict))]
    return [table["rope_type"] for table in tables if "rope_type" in table]


def check(shell: Any, port: Hidden) -> None:
    """Watch a model on the meta device read two positions.

    Raises ``CompositionError`` where a layer does anything that janiform's attention would not know of, or where its
    sizes are not those of the port.
    """
    described, calls = shell.config, list[Call]()
    if "position_ids" not in inspect.signature(shell.base_model.forward).parameters:
        raise refuse(described, "it takes no positions, so that padding and packing would move its tokens")
    shell.eval().to(torch.bfloat16)  # the grouped products of experts take nothing else there
    embeddings = torch.empty(1, 2, port.width, dtype=torch.bfloat16, device="meta")
    positions = torch.zeros(1, 2, dtype=torch.int64, device="meta")
    try:
        with torch.no_grad(), torch.device("meta"):
            hidden = read(shell, embeddings, positions, Pass(Mask.causal(), calls=calls))
            written = type(shell).forward(_WithoutBase(shell, hidden), inputs_embeds=hidden, use_cache=False).logits
            embedded = shell.get_input_embeddings()(positions)
    except Exception as error:  # whatever a model of any family stumbles upon
        reason = str(error).strip().partition("\n")[0]
        raise refuse(described, f"it cannot be watched reading embeddings: {reason}") from error
    if not calls:
        raise refuse(described, "none of its layers attends through an attention that can be replaced")
    _check_calls(described, calls, port)
    sizes = {"hidden states": (hidden, port.width), "embeddings": (embedded, port.width), "logits": (written, None)}
    for name, (given, width) in sizes.items():
        if tuple(given.shape) != (1, 2, width or port.vocabulary):
            raise refuse(described, f"its {name} are {list(given.shape)}, and its config says {port}")


def _check_calls(described: Any, calls: list[Call], port: Hidden) -> None:
    layers = Counter(call.layer for call in calls)
    if layers != Counter(range(port.layers)):
        said = f"{len(calls)} times in layers {', '.join(map(str, sorted(layers)))}"
        raise refuse(described, f"it attends {said}, and not once in each of its {port.layers} layers")
    windows = _windows(described, port.layers)
    for call in calls:
        if call.strange:
            raise refuse(described, f"its attention is given {', '.join(call.strange)}, which janiform does not know")
        if call.keys != call.values:
            said = f"{list(call.keys)} and {list(call.values)}"
            raise refuse(described, f"its keys and values are of different shapes, {said}")
        if call.keys != (1, port.kv_heads, 2, port.head_width):
            said = f"{call.keys[1]} key heads of width {call.keys[3]}"
            wish = f"{port.kv_heads} of {port.head_width}"
            raise refuse(described, f"layer {call.layer} has {said}, and its config says {wish}")
        if call.window != windows[call.layer]:
            told = f"is told a sliding window of {call.window}" if call.window else "is told no sliding window"
            raise refuse(described, f"the attention of layer {call.layer} {told}, where its config says otherwise")


def _windows(described: Any, layers: int) -> list[int | None]:
    """The sliding window of each layer, by the config."""
    window = getattr(described, "sliding_window", None)
    if window is not None and not getattr(described, "use_sliding_window", True):
        window = None
    kinds = getattr(described, "layer_types", None) or ["sliding_attention"] * layers
    return [window if kind == "sliding_attention" else None for kind in kinds]
