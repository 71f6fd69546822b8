"""Checkpoints: written in the background, read by any number of processes."""
