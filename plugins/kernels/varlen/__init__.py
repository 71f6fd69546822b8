"""PyTorch's variable-length attention (FlashAttention-2, arXiv:2307.08691)."""
