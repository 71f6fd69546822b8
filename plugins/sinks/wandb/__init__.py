"""The sink `wandb`."""
