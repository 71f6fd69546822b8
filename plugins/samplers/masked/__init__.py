"""Sampler ``masked``: pictures from hidden places, the most certain of which are drawn in every step."""
