"""Neighbouring features merged into one, then an MLP."""
