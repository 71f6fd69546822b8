"""The parts that transformers can be, and their ports, which are read off what a config.json says."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen, validators
from janiform import Features, Grid, Hidden, PadToSquare, PortMismatch

from .description import Description, beside


@frozen(kw_only=True)
class BridgedBackboneConfig(Description):
    """A causal language model. What it reads and gives is what its config says."""

    @property
    def part(self) -> str:
        return "text_config"

    def hidden(self) -> Hidden:
        """The port, from the settings alone where they suffice. Raises ``PortMismatch`` for invalid sizes."""
        width = number(self, "hidden_size", "n_embd", "d_model")
        heads = number(self, "num_attention_heads", "n_head")
        kv_heads = look_up(self, "num_key_value_heads") or (1 if look_up(self, "multi_query") else heads)
        return Hidden(
            width=width,
            vocabulary=number(self, "vocab_size"),
            context=number(self, "max_position_embeddings", "n_positions"),
            layers=number(self, "num_hidden_layers", "n_layer"),
            kv_heads=kv_heads,
            head_width=look_up(self, "head_dim") or width // heads,
        )


@frozen(kw_only=True)
class BridgedEncoderConfig(Description):
    """A vision model whose last states, or those after one of its layers, are the features of square pictures."""

    image_size: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "side of the square picture in pixels; 0 is that of the config; positions are interpolated"},
    )
    stride: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "side of the square of pixels that becomes a token; 0 is the patch_size of the config"},
    )
    width: int = field(
        default=0, validator=validators.ge(0), metadata={"help": "width of the features; 0 is that of the config"}
    )
    layer: int | Literal["last"] = field(
        default="last",
        metadata={
            "help": "the layer after which features are taken: last is what the model gives, with its final norm; a "
            "number is one of its hidden_states, 0 before the first layer and -2 after the last but one, as in LLaVA"
        },
    )
    keep_first: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "how many of the tokens before the patches are features: class token, registers"},
    )
    mean: tuple[float, ...] = field(
        default=(),
        converter=tuple,
        metadata={"help": "subtracted from each colour; by default what preprocessor_config.json says, else 0.5"},
    )
    std: tuple[float, ...] = field(
        default=(),
        converter=tuple,
        metadata={"help": "divides each colour; by default what preprocessor_config.json says, else 0.5"},
    )
    min_size: int = field(
        default=14,
        validator=validators.gt(0),
        metadata={"help": "least side in pixels that a long picture is scaled down to, before it is padded"},
    )

    def __attrs_post_init__(self) -> None:
        looked = beside(self.config, "preprocessor_config.json")
        super().__attrs_post_init__()
        for name in ("mean", "std"):
            object.__setattr__(self, name, _colour(name, getattr(self, name), looked.get(f"image_{name}")))

    @property
    def part(self) -> str:
        return "vision_config"

    @property
    def side(self) -> int:
        """Of the square picture, in pixels."""
        return self.image_size or _square("image_size", look_up(self, "image_size"))

    @property
    def grid(self) -> Grid:
        stride = self.stride or _square("patch_size", look_up(self, "patch_size"))
        if self.side < stride:
            raise PortMismatch(f"a picture of {self.side} pixels is smaller than a patch of {stride}")
        return Grid(self.side // stride, self.side // stride)

    def features(self) -> Features:
        grid = self.grid
        width = self.width or number(self, "hidden_size")
        return Features(grid.size + self.keep_first, width, None if self.keep_first else grid)

    def transform(self) -> PadToSquare:
        return PadToSquare(self.side, mean=self.mean, std=self.std, min_size=self.min_size)


def look_up(described: Description, *names: str) -> Any:
    """The first of some settings that is given; else what transformers' config class has, its defaults included."""
    said = described.said
    for name in names:
        if said.get(name) is not None:
            return said[name]
    from .library import class_says  # which may import transformers, where the settings do not say everything

    return class_says(described, names)


def number(described: Description, *names: str) -> int:
    """The same, which must be a whole number from 1 up. Raises ``PortMismatch``."""
    value = look_up(described, *names)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise PortMismatch(f"its config says {names[0]} = {value}: set it in settings = {{ {names[0]} = … }}")
    return value


def _square(name: str, value: Any) -> int:
    sides = set(value) if isinstance(value, list | tuple) else {value}
    side = sides.pop() if len(sides) == 1 else None
    if not isinstance(side, int) or side < 1:
        wish = "image_size" if name == "image_size" else "stride"
        raise PortMismatch(f"its config says {name} = {value}, which is no side of a square: set {wish}")
    return side


def _colour(name: str, given: tuple[float, ...], looked: Any) -> tuple[float, float, float]:
    values = given or (looked if isinstance(looked, list | tuple) else ()) or (0.5, 0.5, 0.5)
    if len(values) != 3 or not all(isinstance(value, int | float) for value in values):
        raise ValueError(f"{name} is three numbers, one a colour, not {list(values)}")
    return float(values[0]), float(values[1]), float(values[2])
