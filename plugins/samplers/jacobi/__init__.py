"""Sampler ``jacobi``: codes in raster order, several in each forward."""
