"""The objective `reconstruction`."""
