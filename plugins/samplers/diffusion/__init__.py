"""Pictures drawn as wholes by diffusion: DDPM (arXiv:2006.11239) and DDIM (arXiv:2010.02502) with a cosine schedule."""
