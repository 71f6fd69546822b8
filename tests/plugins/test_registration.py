"""The registration of the built-in plugins is light: listing components needs none of the libraries that compute."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "numpy", "PIL", "tokenizers", "safetensors", "transformers")


def test_listing_components_imports_no_library_that_computes() -> None:
    code = (
        "import sys; from janiform import registry; registry(); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
