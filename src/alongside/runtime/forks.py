"""What becomes of the runs under way in a child that the user's program forks.

Owns the list of runs. Must never touch one in the process that it belongs to.

Guarantees: in the child each run is over, with an error for whoever goes on with it or waits for it there, and none of
its locks is held: a thread that had one in its hands does not exist in the child, and would never give it back.
"""

from __future__ import annotations

import os
from weakref import WeakSet

from alongside.light import Protocol


class Forked(Protocol):
    """What a child may inherit."""

    def forsake(self) -> None:
        """In the child: it is over here, whatever the parent goes on to do."""


runs: WeakSet[Forked] = WeakSet()


def belongs(what: str, remedy: str = "") -> RuntimeError:
    """What whoever uses it in the child is told."""
    return RuntimeError(f"this {what} belongs to the process that was forked{remedy}")


def _forsake() -> None:
    for run in runs:
        run.forsake()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forsake)
