"""The features of a vision transformer as the latents of a picture, and a decoder of pixels that may be left out."""
