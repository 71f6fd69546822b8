"""Times as people say them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """``42 s``, ``12 min``, ``3 h 20 min``, ``9.1 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
    return f"{seconds / 86400:.1f} days"
