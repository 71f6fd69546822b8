"""The tokenizer ``scales-vq``: codes of several scales, as in VAR (arXiv:2404.02905)."""
