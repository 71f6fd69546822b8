"""What the formats of models share whose text and pictures have one vocabulary."""
