"""Pictures: read safely, transformed for encoders and tokenizers, shown on sheets, with their provenance."""
