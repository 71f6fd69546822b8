"""Conversations about pictures."""
