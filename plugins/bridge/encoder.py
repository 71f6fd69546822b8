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

    Tokens before the patches are attended to and left out, but for the last ``keep_first`` of none or all of them.
    What the features do not depend on (a pooling head, later layers, the token of a training task) is neither trained
    nor saved.
    """

    def __init__(self, config: BridgedEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.first, idle = watch(config)
        self.vision = made(config)
        set_aside(self.vision, idle)
        self.vision.train()

    def forward(self, pixels: Tensor) -> Tensor:
        states = see(self.vision, pixels, self.config)
        return states[:, self.first :] if self.first else states


def watch(config: BridgedEncoderConfig) -> tuple[int, tuple[str, ...]]:
    """Where the features begin among its states, and the parameters that they do not depend on.

    Found on the meta device. Raises ``CompositionError`` where the model does not give what the config declares.
    """
    key = key_of(config), config.image_size, config.stride, config.width, config.layer, config.keep_first
    if key not in _WATCHED:
        with torch.device("meta"):
            shell = made(config).train()
            states = see(shell, torch.empty(1, 3, config.side, config.side), config)
        first = _first(config, shell.config, states, config.features())
        _WATCHED[key] = first, tuple(idle_parameters(shell, states))
    return _WATCHED[key]


_WATCHED: dict[tuple[Any, ...], tuple[int, tuple[str, ...]]] = {}


def made(config: BridgedEncoderConfig) -> Any:
    """The model that a config describes. Raises ``CompositionError`` where it is no vision model."""
    described = config_of(config)
    known = library().MODEL_MAPPING
    if type(described) not in known:
        raise refuse(described, "transformers has no model for it alone")
    chosen = known[type(described)]
    chosen = chosen[0] if isinstance(chosen, list | tuple) else chosen
    if "pixel_values" not in inspect.signature(chosen.forward).parameters or "input_ids" in _arguments(chosen.forward):
        raise refuse(described, "it is no model that looks at pictures and at nothing else")
    if hasattr(described, "vision_use_head"):
        described.vision_use_head = False
    pooling = {"add_pooling_layer": False} if "add_pooling_layer" in _arguments(chosen.__init__) else {}
    kernel = "sdpa" if getattr(chosen, "_supports_sdpa", False) else "eager"
    return chosen._from_config(described, attn_implementation=kernel, **pooling)


def see(vision: Any, pixels: Tensor, config: BridgedEncoderConfig) -> Tensor:
    """Its states [B, all tokens, W] after the chosen layer. Raises ``CompositionError`` where it gives none."""
    arguments: dict[str, Any] = {"pixel_values": pixels, "return_dict": True}
    if config.layer != "last":
        arguments["output_hidden_states"] = True
    if config.image_size and "interpolate_pos_encoding" in _arguments(type(vision).forward):
        arguments["interpolate_pos_encoding"] = True
    try:
        given = vision(**arguments)
    except Exception as error:  # whatever a model of any family stumbles upon
        if not pixels.is_meta:
            raise
        reason = str(error).strip().partition("\n")[0]
        raise refuse(vision.config, f"it does not see pictures of {config.side} pixels: {reason}") from error
    if config.layer == "last":
        states = given.last_hidden_state
    else:
        layers = given.hidden_states
        if layers is None or not -len(layers) <= config.layer < len(layers):
            count = 0 if layers is None else len(layers)
            raise refuse(vision.config, f"it has no layer {config.layer}", f"it gives {count} hidden states")
        states = layers[config.layer]
    if states.dim() == 4:  # a convolutional model's, on their grid
        states = states.flatten(2).transpose(1, 2)
    return cast(Tensor, states)


def _first(config: BridgedEncoderConfig, described: Any, states: Tensor, port: Features) -> int:
    """Where the features begin among the states. Raises ``CompositionError`` where they are not those of the port."""
    tokens, width = states.shape[1:]
    if width != port.width:
        raise refuse(described, f"its features are {width} wide, and {port.width} are declared", f"set width = {width}")
    before = tokens - config.grid.size
    if before < config.keep_first:
        wish = "a patch need not be a token: set stride, or keep_first"
        raise refuse(described, f"it gives {tokens} tokens, and {port.tokens} are declared", wish)
    if config.keep_first not in (0, before) or before > 16:
        said = f"it gives {tokens} tokens for {config.grid.size} patches"
        raise refuse(
            described, f"{said}, so {before} before them, and not {config.keep_first}", "set stride or keep_first"
        )
    return before - config.keep_first


def _arguments(function: Any) -> Any:
    return inspect.signature(function).parameters
