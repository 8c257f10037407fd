"""Code generation for the circuits: cython by default, numpy if there is no compiler.

The target is chosen explicitly and the reason is logged; the own choice of Brian2 is silent. Brian2 keeps compiled code in a
cache, so every later process starts within a second; `compiling` logs when the code is not in the cache. The key of the
cache is the text of the code: sizes and constants may vary, names and equations may not. Every object of a circuit
therefore has a fixed ``name`` (clocks too, otherwise the second circuit of a process is compiled again).
"""

import contextlib
import functools
import logging
import os
from collections.abc import Iterator
from typing import Any

from pfc_da.errors import InputError, nearest

TARGET_VARIABLE = "PFC_DA_SPIKING_TARGET"
TARGETS = ("cython", "numpy")
CIRCUITS = ("midbrain", "prefrontal", "plasticity")
"""Everything that is ever compiled."""

logger = logging.getLogger(__name__)


def prepare_brian2() -> Any:
    """Import brian2 and set its code generation target; an interrupt ends its runs with KeyboardInterrupt.

    Returns
    -------
    module
        brian2.

    Raises
    ------
    InputError
        If brian2 is not installed, or the environment variable PFC_DA_SPIKING_TARGET names no target.
    """
    try:
        import brian2
    except ModuleNotFoundError as error:
        raise InputError(
            f"spiking circuits need {error.name}, which is not installed. pip install 'pfc_da[spiking]' brings it."
        ) from error
    brian2.prefs.codegen.target = choose_target()
    # otherwise Brian2 ends a run at Ctrl-C without an error, and the caller would continue with half an event
    brian2.prefs.core.stop_on_keyboard_interrupt = False
    return brian2


def choose_target() -> str:
    """Code generation target: PFC_DA_SPIKING_TARGET if set, otherwise cython if it works, otherwise numpy.

    Raises
    ------
    InputError
        If PFC_DA_SPIKING_TARGET names no target.
    """
    asked = os.environ.get(TARGET_VARIABLE, "")
    if asked not in ("", *TARGETS):
        allowed = " or ".join(TARGETS)
        raise InputError(f"{TARGET_VARIABLE} must be {allowed}, got {asked!r}.{nearest(asked, TARGETS)}")
    target, reason = (asked, f"{TARGET_VARIABLE}={asked}") if asked else _find_target()
    logger.info("circuits run on %s: %s", target, reason)
    return target


@functools.cache
def _find_target() -> tuple[str, str]:
    """Try to compile an empty function, once per process."""
    import brian2

    with brian2.utils.logger.catch_logs() as logged:  # brian2 reports a failed trial in six lines
        works = brian2.codegen.runtime.CythonCodeObject.is_available()
    if works:
        return "cython", "it compiles here"
    why = str(logged[-1][2]).splitlines()[0] if logged else "a trial compilation failed"
    logger.warning(
        "circuits run on numpy, two to four times slower than compiled: %s. A C++ compiler (g++) mends it.",
        why,
    )
    return "numpy", why


@contextlib.contextmanager
def compiling(circuit: str) -> Iterator[None]:
    """Log, once, that `circuit` (one of `CIRCUITS`) is being compiled; nothing is logged if its code is in the cache.

    Use it around the first ``run`` of a network; a ``run`` of 0 s compiles everything.
    """
    from brian2.codegen.runtime.cython_rt.extension_manager import cython_extension_manager as manager

    number, logged, load = CIRCUITS.index(circuit) + 1, False, manager._load_module

    def load_and_log(module_path: str, *arguments: Any, **options: Any) -> Any:
        nonlocal logged
        if not logged and not os.path.isfile(module_path):
            logged = True
            logger.warning(
                "compiling circuit %d of %d (%s), once per machine: about a minute",
                number, len(CIRCUITS), circuit,
            )  # fmt: skip
        return load(module_path, *arguments, **options)

    manager._load_module = load_and_log
    try:
        yield
    finally:
        manager._load_module = load
