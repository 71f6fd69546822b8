"""PyTorch's flex-attention (arXiv:2412.05496)."""
