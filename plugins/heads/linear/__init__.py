"""One matrix, from a hidden state to the logits of one code."""
