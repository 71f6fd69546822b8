"""Backbone ``phi``: Phi-1.5 and Phi-2, whose layers compute attention and MLP of the same normalised states."""
