"""`python -m alongside`: the command line, for where the `alongside` script is not on the path.

Owns nothing. Must never do anything when it is merely imported.
"""

from __future__ import annotations

import sys

from alongside.cli import main

if __name__ == "__main__":
    sys.exit(main())
