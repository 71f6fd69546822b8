"""Pictures drawn as wholes along straight lines from noise to data, as in rectified flow (arXiv:2209.03003)."""
