"""The script that runs the supervisor of an embedded PostgreSQL server; see the package `embedded`.

Run by its path, in a session of its own and under an isolated interpreter without site-packages, so that it starts in a
few milliseconds, has one thread, and sees nothing of the caller's Python settings.
"""

import importlib
import os
import sys

if __name__ == "__main__":
    # At the end, so that no module here stands in for one of the standard library.
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    sys.exit(importlib.import_module("embedded.main").main(sys.argv[1:]))
