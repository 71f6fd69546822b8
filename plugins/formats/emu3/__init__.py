"""The directories of Emu3, in Hugging Face transformers and as it is released."""
