"""What becomes of the runs under way in a child that the user's program forks.

Owns the list of runs. Must never touch one in the process that it belongs to.

Guarantees: in the child each run is over, with an error for whoever goes on with it there, and none of its locks is
held: a thread that had one in its hands at that moment does not exist in the child, and would never give it back.
"""

from __future__ import annotations

import os
from weakref import WeakSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from alongside.runtime.driver import Driver

runs: WeakSet[Driver] = WeakSet()


def _forsake() -> None:
    for run in runs:
        run.forsake()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forsake)
