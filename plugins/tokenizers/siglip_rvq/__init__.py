"""Residual codes of SigLIP's features, as in VILA-U."""
