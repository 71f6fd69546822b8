"""Inference: pictures from prompts and answers to questions, planned to fit into memory."""
