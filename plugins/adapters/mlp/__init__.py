"""Linear layers with GELU between them, applied to each feature alone."""
