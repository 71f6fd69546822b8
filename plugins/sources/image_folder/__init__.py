"""Pictures in a folder for each class."""
