"""A table of its own: one learned vector for each code, apart from the tokenizer's codebook."""
