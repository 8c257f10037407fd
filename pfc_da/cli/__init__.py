"""The command line, one command or family of commands a file."""

from pfc_da.cli.main import app, exit_code

__all__ = ["app", "exit_code"]
