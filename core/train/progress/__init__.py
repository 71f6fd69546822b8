"""Progress of a run: the log and the terminal."""
