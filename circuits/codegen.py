"""How circuits are turned into machine code: cython by default, numpy where there is no compiler.

The target is chosen explicitly and the reason is logged, because Brian2's own choice is silent. Compiled code is kept by
Brian2 in its cache, so that every later process starts in a second; `compiling` says when it is not there yet. The cache
is found by the text of the code: sizes and constants may vary, names and equations may not, so every object of a circuit
has a fixed ``name`` (clocks too, or the second circuit of a process is compiled anew).
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
    # Brian2 would end a run at Ctrl-C without an error, and whoever counts its spikes would go on with half an event
    brian2.prefs.core.stop_on_keyboard_interrupt = False
    return brian2


def choose_target() -> str:
    """Code generation target: what PFC_DA_SPIKING_TARGET says, else cython if it compiles, else numpy."""
    asked = os.environ.get(TARGET_VARIABLE, "")
    if asked not in ("", *TARGETS):
        allowed = " or ".join(TARGETS)
        raise InputError(f"{TARGET_VARIABLE} must be {allowed}, got {asked!r}.{nearest(asked, TARGETS)}")
    target, reason = (asked, f"{TARGET_VARIABLE}={asked}") if asked else _find_target()
    logger.info("circuits run on %s: %s", target, reason)
    return target


@functools.cache
def _find_target() -> tuple[str, str]:
    """Try to compile an empty function, once a process; from the cache after the first time."""
    import brian2

    with brian2.utils.logger.catch_logs() as told:  # brian2 tells of a failed trial in six lines
        works = brian2.codegen.runtime.CythonCodeObject.is_available()
    if works:
        return "cython", "it compiles here"
    why = str(told[-1][2]).splitlines()[0] if told else "a trial compilation failed"
    logger.warning(
        "circuits run on numpy, two to four times slower than compiled: %s. A C++ compiler (g++) mends it.",
        why,
    )
    return "numpy", why


@contextlib.contextmanager
def compiling(circuit: str) -> Iterator[None]:
    """Say, once, that `circuit` (one of `CIRCUITS`) is being compiled, if it is: code from the cache is silent.

    To be held around the first ``run`` of a network; a ``run`` of 0 s compiles everything.
    """
    from brian2.codegen.runtime.cython_rt.extension_manager import cython_extension_manager as manager

    number, told, load = CIRCUITS.index(circuit) + 1, False, manager._load_module

    def load_and_tell(module_path: str, *arguments: Any, **options: Any) -> Any:
        nonlocal told
        if not told and not os.path.isfile(module_path):
            told = True
            logger.warning(
                "compiling circuit %d of %d (%s), once per machine: about a minute",
                number, len(CIRCUITS), circuit,
            )  # fmt: skip
        return load(module_path, *arguments, **options)

    manager._load_module = load_and_tell
    try:
        yield
    finally:
        manager._load_module = load
