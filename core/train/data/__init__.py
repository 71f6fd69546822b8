"""Training data: mixtures of sources, and batches prepared ahead of the step that needs them."""
