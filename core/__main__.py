"""``python -m janiform`` is the command ``janiform``."""

import sys

from janiform.cli import main

if __name__ == "__main__":
    sys.exit(main())
