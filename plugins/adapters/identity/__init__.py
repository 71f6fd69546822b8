"""Features as they are, where they have the hidden width already."""
