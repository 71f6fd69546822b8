"""The directories of the official Janus implementation."""
