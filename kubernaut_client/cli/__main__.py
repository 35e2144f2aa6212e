"""`python -m kubernaut_client.cli`: the `kubernaut-client` command without its script."""

import sys

from kubernaut_client.cli import main

if __name__ == "__main__":
    sys.exit(main())
