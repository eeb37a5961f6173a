"""The command `gespoll`."""

from gespoll.cli._main import main

__all__ = ["main"]
