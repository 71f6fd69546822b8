"""Pictures: read safely, brought into the shape that a part wants, shown on sheets."""

from .provenance import Making, attach, making_of, png_bytes, save_picture
from .read import as_picture, check_array, is_address, read_picture
from .sheet import contact_sheet, to_pil
from .transforms import CropToSquare, PadToSquare

__all__ = [
    "CropToSquare",
    "Making",
    "PadToSquare",
    "as_picture",
    "attach",
    "check_array",
    "contact_sheet",
    "is_address",
    "making_of",
    "png_bytes",
    "read_picture",
    "save_picture",
    "to_pil",
]
