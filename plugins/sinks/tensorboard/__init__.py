"""The sink `tensorboard`."""
