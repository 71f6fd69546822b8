"""The directories of Hugging Face transformers."""
