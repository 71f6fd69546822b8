"""What the two public layouts of Janus have in common."""
