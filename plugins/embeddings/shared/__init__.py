"""Codes as ids of the backbone's vocabulary: their vectors are rows of its text embedding (arXiv:2405.09818)."""
