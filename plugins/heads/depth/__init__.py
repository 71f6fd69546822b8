"""The levels of a code one after the other, by a small transformer over them (arXiv:2203.01941)."""
