"""A convolutional autoencoder whose latents are sums of several codes' vectors (arXiv:2203.01941)."""
