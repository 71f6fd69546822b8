"""Sampler ``masked-latents``: latents from hidden places in a random order, as in MAR (arXiv:2406.11838)."""
