"""A vision transformer as in CLIP (arXiv:2103.00020)."""
