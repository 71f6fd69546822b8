"""MAGVIT-v2 for pictures: an autoencoder with its own number of blocks on each level, whose codes are signs."""
