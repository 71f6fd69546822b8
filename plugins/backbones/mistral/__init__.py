"""Mistral 7B (arXiv:2310.06825), without the sliding window of its first release."""
