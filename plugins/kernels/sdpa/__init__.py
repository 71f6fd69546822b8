"""PyTorch's scaled-dot-product attention."""
