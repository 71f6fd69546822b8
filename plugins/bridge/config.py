"""The settings of bridged parts, and their ports, which follow from a config.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen, validators
from janiform import Features, Grid, Hidden, PortMismatch

from .description import Description, read_beside

if TYPE_CHECKING:
    from janiform import PadToSquare


@frozen(kw_only=True)
class BridgedBackboneConfig(Description):
    """A causal language model of transformers, whose port follows from its config."""

    @property
    def part(self) -> str:
        return "text_config"

    def hidden(self) -> Hidden:
        """The port, from the settings alone where they are complete. Raises ``PortMismatch`` for invalid ones."""
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
    """A vision model of transformers, whose features are its last states, or those after one of its layers."""

    image_size: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "side of the square picture in pixels; positions are interpolated; 0 means that of the config"
        },
    )
    stride: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "side in pixels of the square that becomes a token; 0 means the patch_size of the config"},
    )
    width: int = field(
        default=0, validator=validators.ge(0), metadata={"help": "width of the features; 0 means that of the config"}
    )
    layer: int | Literal["last"] = field(
        default="last",
        metadata={
            "help": "layer after which features are taken: last is the model's output, with its final norm; a number "
            "indexes its hidden_states, 0 before the first layer, -2 after the last but one, as in LLaVA"
        },
    )
    keep_first: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "number of tokens before the patches (class token, registers) that are features"},
    )
    mean: tuple[float, ...] = field(
        default=(),
        converter=tuple,
        metadata={"help": "subtracted from each colour channel; by default that of preprocessor_config.json, else 0.5"},
    )
    std: tuple[float, ...] = field(
        default=(),
        converter=tuple,
        metadata={"help": "divides each colour channel; by default that of preprocessor_config.json, else 0.5"},
    )
    min_size: int = field(
        default=14,
        validator=validators.gt(0),
        metadata={"help": "minimum side in pixels to which a long picture is scaled down before it is padded"},
    )

    def __attrs_post_init__(self) -> None:
        preprocessor = read_beside(self.config, "preprocessor_config.json")
        super().__attrs_post_init__()
        for name in ("mean", "std"):
            object.__setattr__(self, name, _colour(name, getattr(self, name), preprocessor.get(f"image_{name}")))

    @property
    def part(self) -> str:
        return "vision_config"

    @property
    def side(self) -> int:
        """The side of the square picture, in pixels."""
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
        from janiform import PadToSquare  # needs numpy and PIL, which registration does not import

        return PadToSquare(self.side, mean=self.mean, std=self.std, min_size=self.min_size)


def look_up(described: Description, *names: str) -> Any:
    """The first of these settings that is given, else that of transformers' config class, including its defaults."""
    stated = described.stated
    for name in names:
        if stated.get(name) is not None:
            return stated[name]
    from .library import class_setting  # may import transformers, which complete settings do not need

    return class_setting(described, names)


def number(described: Description, *names: str) -> int:
    """The first of these settings that is given. Raises ``PortMismatch`` unless it is a whole number from 1 up."""
    value = look_up(described, *names)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise PortMismatch(f"its config states {names[0]} = {value}: set it in settings = {{ {names[0]} = … }}")
    return value


def _square(name: str, value: Any) -> int:
    sides = set(value) if isinstance(value, list | tuple) else {value}
    side = sides.pop() if len(sides) == 1 else None
    if not isinstance(side, int) or side < 1:
        setting = "image_size" if name == "image_size" else "stride"
        raise PortMismatch(f"its config states {name} = {value}, which is not the side of a square: set {setting}")
    return side


def _colour(name: str, given: tuple[float, ...], default: Any) -> tuple[float, float, float]:
    values = given or (default if isinstance(default, list | tuple) else ()) or (0.5, 0.5, 0.5)
    if len(values) != 3 or not all(isinstance(value, int | float) for value in values):
        raise ValueError(f"{name} must be three numbers, one per colour channel, not {list(values)}")
    low = 1e-6 if name == "std" else -1e6
    if not all(low <= value <= 1e6 for value in values):
        raise ValueError(f"{name} must be three numbers from {low:g} to 1e6, not {list(values)}")
    return float(values[0]), float(values[1]), float(values[2])
