"""Conversations, spans and batches: one sequence model for everything that a unified model reads and writes."""

from __future__ import annotations

from .conversation import Conversation, Draw, Look, Turn
from .spans import Sequence, Span, blanked

__all__ = ["Conversation", "Draw", "Look", "Sequence", "Span", "Turn", "blanked"]
