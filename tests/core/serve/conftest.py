"""Models that are served."""

from __future__ import annotations

import sys
from pathlib import Path

import janiform
import pytest
from janiform import Model
from janiform.testing.small_model import small_model

sys.path.insert(0, str(Path(__file__).parent))  # serving.py


@pytest.fixture(scope="session")
def mini() -> Model:
    return janiform.load("janus-mini")


@pytest.fixture(scope="session")
def small() -> Model:
    """A small model with random weights that draws from pictures."""
    return Model(small_model())
