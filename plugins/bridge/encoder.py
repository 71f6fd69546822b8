"""A vision model of transformers as an encoder.

B pictures    N tokens    W width
"""

from __future__ import annotations

import inspect
from typing import Any, cast

import torch
from janiform import Features
from torch import Tensor

from .bridged import Bridged, idle_parameters, set_aside
from .config import BridgedEncoderConfig
from .library import config_of, key_of, library, refuse


class BridgedEncoder(Bridged):
    """Pixels [B, 3, h, w] -> features [B, N, W] of the patches in raster order, after the chosen layer.

    Patches attend to the tokens before them, of which the last ``keep_first`` are features: none or all of them.
    Parameters that the features do not depend on (a pooling head, later layers, the token of a training task) are
    neither trained nor saved.
    """

    def __init__(self, config: BridgedEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.first, idle = probe(config)
        self.vision = build(config)
        set_aside(self.vision, idle)
        self.vision.train()

    def forward(self, pixels: Tensor) -> Tensor:
        states = run(self.vision, pixels, self.config)
        return states[:, self.first :] if self.first else states


def probe(config: BridgedEncoderConfig) -> tuple[int, tuple[str, ...]]:
    """The index of the first feature among the states, and the parameters that the features do not depend on.

    The model runs on the meta device. Raises ``CompositionError`` where its output is not what the config declares.
    """
    key = key_of(config), config.image_size, config.stride, config.width, config.layer, config.keep_first
    if key not in _PROBED:
        with torch.device("meta"):
            shell = build(config).train()
            states = run(shell, torch.empty(1, 3, config.side, config.side), config)
        first = _first(config, shell.config, states, config.features())
        _PROBED[key] = first, tuple(idle_parameters(shell, states))
    return _PROBED[key]


_PROBED: dict[tuple[Any, ...], tuple[int, tuple[str, ...]]] = {}


def build(config: BridgedEncoderConfig) -> Any:
    """The model that a config describes. Raises ``CompositionError`` where it is not a vision model."""
    described = config_of(config)
    classes = library().MODEL_MAPPING
    if type(described) not in classes:
        raise refuse(described, "transformers has no model of this type alone")
    chosen = classes[type(described)]
    chosen = chosen[0] if isinstance(chosen, list | tuple) else chosen
    if "pixel_values" not in inspect.signature(chosen.forward).parameters or "input_ids" in _arguments(chosen.forward):
        raise refuse(described, "it is not a model whose only input is pictures")
    if hasattr(described, "vision_use_head"):
        described.vision_use_head = False
    pooling = {"add_pooling_layer": False} if "add_pooling_layer" in _arguments(chosen.__init__) else {}
    kernel = "sdpa" if getattr(chosen, "_supports_sdpa", False) else "eager"
    return chosen._from_config(described, attn_implementation=kernel, **pooling)


def run(vision: Any, pixels: Tensor, config: BridgedEncoderConfig) -> Tensor:
    """The states [B, all tokens, W] after the chosen layer. Raises ``CompositionError`` where there are none."""
    arguments: dict[str, Any] = {"pixel_values": pixels, "return_dict": True}
    if config.layer != "last":
        arguments["output_hidden_states"] = True
    if config.image_size and "interpolate_pos_encoding" in _arguments(type(vision).forward):
        arguments["interpolate_pos_encoding"] = True
    try:
        output = vision(**arguments)
    except Exception as error:  # the code of any model may raise anything
        if not pixels.is_meta:
            raise
        reason = str(error).strip().partition("\n")[0]
        raise refuse(vision.config, f"it cannot run on pictures of {config.side} pixels: {reason}") from error
    if config.layer == "last":
        states = output.last_hidden_state
    else:
        layers = output.hidden_states
        if layers is None or not -len(layers) <= config.layer < len(layers):
            count = 0 if layers is None else len(layers)
            raise refuse(vision.config, f"it has no layer {config.layer}", f"it has {count} hidden states")
        states = layers[config.layer]
    if states.dim() == 4:  # a convolutional model's grid of states
        states = states.flatten(2).transpose(1, 2)
    return cast(Tensor, states)


def _first(config: BridgedEncoderConfig, described: Any, states: Tensor, port: Features) -> int:
    """The index of the first feature. Raises ``CompositionError`` where the states do not match the port."""
    tokens, width = states.shape[1:]
    if width != port.width:
        raise refuse(
            described, f"its features have a width of {width}, but {port.width} is declared", f"set width = {width}"
        )
    before = tokens - config.grid.size
    if before < config.keep_first:
        hint = "a token may cover several patches: set stride, or keep_first"
        raise refuse(described, f"it has {tokens} tokens, but {port.tokens} are declared", hint)
    if config.keep_first not in (0, before) or before > 16:
        counts = f"it has {tokens} tokens for {config.grid.size} patches"
        raise refuse(
            described, f"{counts}, so {before} before them, not {config.keep_first}", "set stride or keep_first"
        )
    return before - config.keep_first


def _arguments(function: Any) -> Any:
    return inspect.signature(function).parameters
