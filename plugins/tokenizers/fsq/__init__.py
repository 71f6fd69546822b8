"""A convolutional autoencoder whose latents are rounded to a few levels each (arXiv:2309.15505)."""
