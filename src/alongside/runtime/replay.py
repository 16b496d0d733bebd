"""Replay: one task of a run once more, in the caller's thread, for a debugger.

Owns how that task is called: as it was, with the randomness it had. Must never touch the run.
"""

from __future__ import annotations

import sys

from alongside.core.model import Job
from alongside.workers.runner import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def replay(job: Job, index: int, item: Any, debug: bool) -> Any:
    """What the task returns, or raises."""
    fn = _debugged(job.fn) if debug else job.fn
    call = caller(fn, job.star, _awaited_if_need_be)
    if job.seed is None:
        return call(item)
    from alongside.workers import seeding

    seeding.have_ready(job.fn)
    with seeding.put_back():
        return seeding.one_at_a_time(call, job.seed)((index, item))


def _awaited_if_need_be(value: Any) -> Any:
    return _awaited(value) if hasattr(value, "__await__") else value


def _awaited(awaitable: Any) -> Any:
    from alongside.runtime import loops

    async def wait_for() -> Any:
        return await awaitable

    return loops.run(wait_for)


def _debugged(fn: Any) -> Any:
    """The function under the debugger; what it raises is looked at where it was raised. `q` gives None."""

    def called(*args: Any) -> Any:
        debugger = _debugger()
        try:
            return debugger.runcall(fn, *args)
        except Exception as error:
            debugger.reset()
            debugger.interaction(None, error.__traceback__)
            raise

    return called


def _debugger() -> Any:
    """IPython's where the program runs in it, else Python's own."""
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        from IPython.core.debugger import Pdb

        return Pdb()
    import pdb  # noqa: T100  # the user asked for it

    return pdb.Pdb()
