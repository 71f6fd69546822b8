"""Benchmarks of a model, and how their results are stored."""
