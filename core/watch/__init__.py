"""The pages about runs and studies, served while they train."""
