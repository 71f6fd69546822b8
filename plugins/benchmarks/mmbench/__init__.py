"""MMBench (arXiv:2307.06281): single-choice questions, each asked with its options in every rotation."""
