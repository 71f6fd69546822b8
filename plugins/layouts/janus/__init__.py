"""The chat format of Janus."""
