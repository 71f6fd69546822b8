"""Conversations, spans and batches: one sequence model for everything that a unified model reads and writes."""
