"""Tar shards of pictures."""
