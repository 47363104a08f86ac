"""Reads the command line and calls what it asks for."""

import argparse
import sys
from collections.abc import Sequence

import revolve_ad
from revolve_ad.cli import comparing, demo, planning
from revolve_ad.errors import RevolveError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    int
        0; 1 if a demonstration didn't come out as it must; 2 if an argument is wrong.
    """
    parser = argparse.ArgumentParser(
        prog="revolve-ad",
        description="Exact gradients of time-stepping simulations, in the memory you have.",
    )
    parser.add_argument("--version", action="version", version=revolve_ad.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (demo, planning, comparing):
        command.add_parser(commands)
    given = parser.parse_args(argv)
    try:
        code: int = given.run(given)
        return code
    except RevolveError as error:
        print(f"revolve-ad: {error}", file=sys.stderr)
        return 2
