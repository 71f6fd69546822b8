"""The tokenizer of TokenFlow (arXiv:2412.03069): one code for meaning and pixels, on several scales."""
