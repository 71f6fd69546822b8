"""Attention under a declared mask, and the choice of the kernel that computes it."""
