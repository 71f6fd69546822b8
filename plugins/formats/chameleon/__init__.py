"""The directories of Chameleon in Hugging Face transformers."""
