"""The objective `autoregressive`."""
