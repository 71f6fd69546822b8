"""What the built-in vision transformers (arXiv:2010.11929) share: their sizes, blocks and positions."""
