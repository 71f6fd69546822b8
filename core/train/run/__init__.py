"""A training run: its folder, its stages in order, and what it records."""
