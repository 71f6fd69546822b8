"""Makes ``tiny_parts`` importable: for the tests, and for the components that name their factories in it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
