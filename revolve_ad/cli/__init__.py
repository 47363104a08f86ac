"""The command `revolve-ad`."""

from revolve_ad.cli.command import main

__all__ = ["main"]
