"""Training: stages, mixtures, checkpoints and the log."""
