"""The first Gemma architecture (arXiv:2403.08295)."""
