"""MoVQ: a convolutional autoencoder whose decoder's norms read the codes, with convolutions over time, as in Emu3."""
