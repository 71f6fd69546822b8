"""The format of JanusFlow as it is released, with the autoencoder of SDXL in a folder of its own."""
