"""How large the files of weights are that formats write."""

SHARD = 5 * 10**9
"""Bytes of the largest file of weights, where nobody says how many."""
