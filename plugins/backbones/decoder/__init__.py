"""The decoder that all families of language models share: settings, blocks, rotary positions, names of weights."""
