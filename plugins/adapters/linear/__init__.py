"""One matrix, applied to each feature alone."""
