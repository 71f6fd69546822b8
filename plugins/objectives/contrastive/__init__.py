"""The objective `contrastive`."""
