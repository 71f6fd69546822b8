"""A mask's runs as xformers' biases."""

from __future__ import annotations

from janiform import Runs
from xformers.ops.fmha.attn_bias import BlockDiagonalMask


def block_diagonal(runs: Runs) -> BlockDiagonalMask:
    """Run i of the queries sees run i of the keys: all of it, or up to its own position counted from the end."""
    bias = BlockDiagonalMask.from_seqlens(runs.query_lengths, runs.key_lengths, device=runs.query_starts.device)
    if not runs.causal:
        return bias
    return bias.make_causal() if runs.query_lengths == runs.key_lengths else bias.make_causal_from_bottomright()
