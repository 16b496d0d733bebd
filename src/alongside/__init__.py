"""alongside runs a function over many inputs side by side, on the tool that suits it, and says why.

`map` is the one to begin with; `imap` gives results as they are taken, `run` everything that is known, `gather` calls
different functions, `amap` and `aimap` are for async code; `advise` says which tool suits, `compare` tries them all.
"""

# Public names, nothing else. The front door is loaded at once, so that the first call costs nothing more; not in a
# worker, which would be there later by that, and where few tasks ask for it. So are the errors: `except
# alongside.TaskTimeout` names one amid trouble, perhaps without a descriptor left to read a file. Whatever is behind
# that is loaded when it is first used, so that `import alongside` costs a few milliseconds.

from __future__ import annotations

from os import environ

if "ALONGSIDE_WORKER" not in environ:
    from alongside.api import advise, aimap, amap, compare, cpu_count, gather, imap, map, run
from alongside.exceptions import (
    AlongsideError,
    AlongsideWarning,
    BackendUnavailable,
    InternalError,
    JournalError,
    MemoryLimitExceeded,
    OptionError,
    TaskTimeout,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from alongside.core.choose import Facts, Plan
    from alongside.core.model import Attempt, Failure, Outcome
    from alongside.core.retry import Backoff
    from alongside.exceptions import NotPicklable, WorkerLost
    from alongside.faces.futures import Executor
    from alongside.faces.pool import Pool, ThreadPool
    from alongside.observe.advice import Advice
    from alongside.observe.comparison import Comparison
    from alongside.runtime.limits import Limit
    from alongside.runtime.results import Run, Stats
    from alongside.workers.seeding import task_seed

__version__ = "0.1.0"

_HOMES = {
    "alongside.api": ("advise", "aimap", "amap", "compare", "cpu_count", "gather", "imap", "map", "run"),
    "alongside.observe.advice": ("Advice",),
    "alongside.faces.futures": ("Executor",),
    "alongside.faces.pool": ("Pool", "ThreadPool"),
    "alongside.core.choose": ("Facts", "Plan"),
    "alongside.core.model": ("Attempt", "Failure", "Outcome"),
    "alongside.core.retry": ("Backoff",),
    "alongside.observe.comparison": ("Comparison",),
    "alongside.runtime.limits": ("Limit",),
    "alongside.runtime.results": ("Run", "Stats"),
    "alongside.workers.seeding": ("task_seed",),
    "alongside.exceptions": ("NotPicklable", "WorkerLost"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Advice",
    "AlongsideError",
    "AlongsideWarning",
    "Attempt",
    "BackendUnavailable",
    "Backoff",
    "Comparison",
    "Executor",
    "Facts",
    "Failure",
    "InternalError",
    "JournalError",
    "Limit",
    "MemoryLimitExceeded",
    "NotPicklable",
    "OptionError",
    "Outcome",
    "Plan",
    "Pool",
    "Run",
    "Stats",
    "TaskTimeout",
    "ThreadPool",
    "WorkerLost",
    "advise",
    "aimap",
    "amap",
    "compare",
    "cpu_count",
    "gather",
    "imap",
    "map",
    "run",
    "task_seed",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if name in ("futures", "testing"):  # modules that are written as `alongside.futures.…`
        return getattr(__import__(f"alongside.{name}"), name)
    if home is None:
        raise AttributeError(f"module 'alongside' has no attribute {name!r}")
    value = getattr(__import__(home, fromlist=[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__doc__", "__version__", "futures", "testing"])
