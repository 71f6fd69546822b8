"""POPE (arXiv:2305.10355): yes-or-no questions about objects that a picture shows, or does not."""
