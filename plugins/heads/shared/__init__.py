"""Codes as ids of the backbone's vocabulary: one output matrix for text and pictures (arXiv:2405.09818)."""
