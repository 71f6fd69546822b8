"""Pictures: read safely, brought into the shape that a part wants, shown on sheets."""

from .read import as_picture, check_array, read_picture
from .sheet import contact_sheet, to_pil
from .transforms import CropToSquare, PadToSquare

__all__ = ["CropToSquare", "PadToSquare", "as_picture", "check_array", "contact_sheet", "read_picture", "to_pil"]
