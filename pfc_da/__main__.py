"""Start of the command ``pfc-da``: signals are caught before anything slow is imported."""

import sys

from pfc_da.jobs import signals


def main() -> None:
    """Run the command line on the arguments of this process, and end the process."""
    try:
        signals.catch()
        from pfc_da.cli import exit_code

        code = exit_code(sys.argv[1:] or ["--help"])
        signals.ignore()
    except KeyboardInterrupt:
        signals.ignore()
        print(signals.INTERRUPTED, file=sys.stderr, flush=True)
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
