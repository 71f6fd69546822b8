"""Drawings and questions about coloured shapes, rendered on demand and judged by a verifier."""
