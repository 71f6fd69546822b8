"""The settings of encoder and tokenizer, and the ports that follow from them."""

from attrs import field, frozen, validators
from janiform import Codes, Features, Grid


def _positive(default: int, text: str):
    return field(default=default, validator=validators.ge(1), metadata={"help": text})


@frozen(kw_only=True)
class Squares:
    """The squares of a picture, and the frequencies that are kept of each."""

    image_size: int = _positive(64, "side of the pictures in pixels")
    patch_size: int = _positive(8, "side of a square in pixels")
    kept: int = _positive(10, "number of frequencies of a square that are kept, the lowest ones")

    def __attrs_post_init__(self) -> None:
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}")
        if self.kept > self.patch_size**2:
            raise ValueError(f"kept is {self.kept}, but a square has {self.patch_size**2} frequencies")

    @property
    def grid(self) -> Grid:
        side = self.image_size // self.patch_size
        return Grid(side, side)


@frozen(kw_only=True)
class DctConfig(Squares):
    width: int = _positive(128, "width of the features")

    def features(self) -> Features:
        return Features(tokens=self.grid.size, width=self.width, grid=self.grid)

    def transform(self):
        from janiform import PadToSquare

        return PadToSquare(self.image_size)


@frozen(kw_only=True)
class DctVqConfig(Squares):
    vocabulary: int = _positive(1024, "number of codes")

    def codes(self) -> Codes:
        return Codes(vocabulary=self.vocabulary, grid=self.grid, width=3 * self.kept)

    def transform(self):
        from janiform import CropToSquare

        return CropToSquare(self.image_size)
