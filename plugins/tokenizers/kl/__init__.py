"""An autoencoder whose latents are continuous, with a Gaussian posterior: that of latent diffusion, SDXL and FLUX."""
