"""The convolutional autoencoder that the tokenizers beside it have in common. It is no component."""
