"""``python -m micrec_pyg`` is the command ``micrec``."""

import sys

from micrec_pyg.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
