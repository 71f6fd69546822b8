"""Sampler ``scales``: pictures from coarse to fine, all codes of a scale at once."""
