"""Runs the command as ``python -m revolve_ad.cli``, where no script is installed."""

import sys

from revolve_ad.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
