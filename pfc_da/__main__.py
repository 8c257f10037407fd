"""Where the command ``pfc-da`` begins: signals are caught before anything slow is imported."""

import sys
from typing import NoReturn

from pfc_da import signals


def main() -> NoReturn:
    """Run the command line on the arguments of this process, and end the process."""
    try:
        signals.catch()
        from pfc_da.cli import exit_code

        code = exit_code(sys.argv[1:] or ["--help"])
    except KeyboardInterrupt:
        print(signals.INTERRUPTED, file=sys.stderr, flush=True)
        code = 130
    signals.ignore()
    sys.exit(code)


if __name__ == "__main__":
    main()
