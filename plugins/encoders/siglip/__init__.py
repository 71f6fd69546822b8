"""A vision transformer as in SigLIP (arXiv:2303.15343)."""
