"""The training loop of one stage: losses, gradients, optimizer steps and metrics."""
