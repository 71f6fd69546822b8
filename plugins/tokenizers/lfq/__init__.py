"""A convolutional autoencoder whose codes are the signs of its latents (arXiv:2310.05737)."""
