"""Conformance: the contract of each kind of component, as tests that its author runs with one line.

    from janiform.testing import conforms

    TestMyCodec = conforms("tokenizer", "mycodec", {"image_size": 32, "channels": 8})

makes a class of pytest tests, which draw sizes and values at random with hypothesis. A failure's message is for the
author. The settings may also be a hypothesis strategy, so that the component's own sizes are drawn as well; without
settings its defaults are tested.
"""

from __future__ import annotations

from .suite import conforms

__all__ = ["conforms"]
