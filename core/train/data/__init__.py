"""Training data: mixtures of sources, and batches prepared ahead of their step."""
