"""Registration of the paradigms in Gymnasium, as `pfc_da/Bandit-v0` and so on, by importing this module.

    import gymnasium
    import pfc_da.gymnasium_env

    env = gymnasium.make("pfc_da/MonkeyJuice-v0", n_trials=50)
    envs = gymnasium.make_vec("pfc_da/MonkeyJuice-v0", num_envs=64)

Registration imports neither torch nor a task; `gymnasium.make("pfc_da.gymnasium_env:pfc_da/Bandit-v0")` registers and makes
an environment in one line. Environment of another task: `pfc_da.task_env.TaskEnv(task)`.
"""

from typing import TYPE_CHECKING, Any

from pfc_da import paradigms

if TYPE_CHECKING:
    from pfc_da.task import Task
    from pfc_da.task_env import TaskEnv, TaskVectorEnv

try:
    import gymnasium
except ImportError as error:
    raise ImportError(f"{error}: the environments need gymnasium; pip install 'pfc_da[tasks]'.") from None


def make_env(paradigm: str, *, test: bool = False, render_mode: str | None = None, **task: Any) -> "TaskEnv":
    """Environment of one session of a paradigm.

    Parameters
    ----------
    paradigm : str
        As listed by `pfc-da list`.
    test : bool
        Use the task of the test sessions instead of that of training; in some paradigms they differ.
    render_mode : None
        There is nothing to draw.
    **task
        Settings of the task, as in `--set task.NAME=VALUE` on the command line.

    Returns
    -------
    TaskEnv

    Raises
    ------
    InputError
        For a paradigm or a setting that does not exist.
    """
    from pfc_da.task_env import TaskEnv

    return TaskEnv(build_task(paradigm, test=test, **task))


def make_vector_env(
    paradigm: str, *, num_envs: int = 1, test: bool = False, render_mode: str | None = None, **task: Any
) -> "TaskVectorEnv":
    """Environment of `num_envs` sessions that advance together.

    Parameters
    ----------
    paradigm : str
    num_envs : int
        At least 1.
    test, render_mode, **task
        As in `make_env`.

    Returns
    -------
    TaskVectorEnv

    Raises
    ------
    InputError
        As in `make_env`.
    """
    from pfc_da.task_env import TaskVectorEnv

    return TaskVectorEnv(build_task(paradigm, test=test, **task), num_envs)


def build_task(paradigm: str, *, test: bool = False, **task: Any) -> "Task":
    """Task of a paradigm with changed settings.

    Parameters
    ----------
    paradigm : str
    test : bool
        Use the task of the test sessions.
    **task
        Settings of the task.

    Returns
    -------
    Task

    Raises
    ------
    InputError
        As in `make_env`.
    """
    experiment = paradigms.load(paradigm)
    settings = experiment.settings()
    changed = {"task": settings.task | task, "test_task": settings.test_task | task if test else {}}
    return experiment.build_task(settings.model_copy(update=changed), test=test)


def name_env(paradigm: str) -> str:
    """Id of a paradigm in Gymnasium.

    Examples
    --------
    >>> name_env("monkey_juice")
    'pfc_da/MonkeyJuice-v0'
    """
    return f"pfc_da/{paradigm.title().replace('_', '')}-v0"


def _register() -> None:
    for paradigm in paradigms.names():
        if name_env(paradigm) not in gymnasium.registry:
            gymnasium.register(
                id=name_env(paradigm),
                entry_point=f"{__name__}:make_env",
                vector_entry_point=f"{__name__}:make_vector_env",
                kwargs={"paradigm": paradigm},
            )


_register()
