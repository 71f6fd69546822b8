"""Progress of a run: terminal, log, sinks and the list of skipped samples."""
