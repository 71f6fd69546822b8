"""Conformance: what every component of a kind must do, as tests that its author runs with one line.

    from janiform.testing import conforms

    TestMyCodec = conforms("tokenizer", "mycodec", {"image_size": 32, "channels": 8})

makes a class of pytest tests, one for each promise of the kind, which draw sizes and values at random (by hypothesis).
A failure is a sentence for the author. The settings may also be a hypothesis strategy of such tables, so that sizes of
the component's own are drawn as well; without settings its defaults are tested.
"""

from __future__ import annotations

from .suite import conforms

__all__ = ["conforms"]
