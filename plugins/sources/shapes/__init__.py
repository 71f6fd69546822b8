"""Coloured shapes, a synthetic data set that is rendered on demand."""
