"""Linear layers with GELU between them, from a hidden state to the logits of one code."""
