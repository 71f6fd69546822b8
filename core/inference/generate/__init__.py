"""Generation of text and codes for many rows at once: one decoding loop over an engine."""

from __future__ import annotations

from ...contracts import Sampler
from .images import decode_codes, generate_codes
from .latents import generate_latents
from .sampler import sampler_of
from .text import generate_text

__all__ = ["Sampler", "decode_codes", "generate_codes", "generate_latents", "generate_text", "sampler_of"]
