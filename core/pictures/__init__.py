"""Pictures: read safely, transformed for encoders and tokenizers, shown on sheets, with their provenance."""

from .provenance import Provenance, attach, png_bytes, provenance_of, save_picture
from .read import as_picture, check_array, is_address, read_picture
from .sheet import contact_sheet, to_pil
from .transforms import CropToSquare, PadToSquare

__all__ = [
    "CropToSquare",
    "PadToSquare",
    "Provenance",
    "as_picture",
    "attach",
    "check_array",
    "contact_sheet",
    "is_address",
    "png_bytes",
    "provenance_of",
    "read_picture",
    "save_picture",
    "to_pil",
]
