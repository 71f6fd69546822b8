"""A convolutional autoencoder with an L2-normalised codebook, as in LlamaGen (arXiv:2406.06525)."""
