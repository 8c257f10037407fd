"""Signals that end a command: at once while it only imports and reads, later with a clean-up that no signal disturbs.

Libraries may lose a KeyboardInterrupt: C++ code of torch discards one that is raised while it imports numpy, and aborts the
process at others; any ``except:`` may catch one. Until there is something to clean up, the first signal therefore ends the
process without one. From then on it raises KeyboardInterrupt, and `raise_lost` raises another if work goes on.

A command installs the handlers before anything else, so this module imports little.
"""

import os
import signal
import sys
import time

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 10.0
"""A signal this long after the first raises again, should work that never calls `raise_lost` have lost the first."""
INTERRUPTED = "interrupted: give the same command to begin again."

_first_at = -float("inf")
_raises = False


def catch() -> None:
    """Make the signals end the process at once from now on; SIGHUP only if nohup does not ignore it."""
    sys.unraisablehook = _end_if_interrupted
    for number in ENDING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def raise_from_now_on() -> None:
    """Make the signals raise KeyboardInterrupt from now on: there is something to clean up."""
    global _raises
    _raises = True


def raise_lost() -> None:
    """Raise KeyboardInterrupt if a signal has come; called where work goes on, never in a clean-up."""
    if _first_at > 0:
        raise KeyboardInterrupt


def ignore() -> None:
    """Ignore the signals from now on; for a command that has finished while its interpreter has not ended yet."""
    global _first_at
    _first_at = time.monotonic()  # for those that come before the next line has its effect
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    # A KeyboardInterrupt that left a text run by exec(), as in dataclasses, has Python end by SIGINT; the next text takes
    # that back.
    exec("")


def caused(error: BaseException | type[BaseException]) -> bool:
    """True if a signal caused an error: it is a KeyboardInterrupt, or came after one (workers end too)."""
    kind = error if isinstance(error, type) else type(error)
    return issubclass(kind, KeyboardInterrupt) or _first_at > 0


def _interrupt(number: int, frame: object) -> None:
    # make and shells send a signal to the group and again to the child, and who waits presses Ctrl-C twice
    global _first_at
    now = time.monotonic()
    if now - _first_at > AGAIN_S:
        _first_at = now
        if not _raises:
            _end()
        raise KeyboardInterrupt


def _end_if_interrupted(unraisable: "sys.UnraisableHookArgs") -> None:
    """End the process if the interrupt was raised where Python would drop it, as in a destructor."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        return sys.__unraisablehook__(unraisable)
    _end()


def _end() -> None:
    os.write(2, f"{INTERRUPTED}\n".encode())
    os._exit(130)
