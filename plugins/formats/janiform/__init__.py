"""janiform's own model folders."""
