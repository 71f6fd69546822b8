"""A vision transformer as in DINOv2 (arXiv:2304.07193), with or without registers (arXiv:2309.16588)."""
