"""Workers made ready before anybody has them, while a plain loop goes on.

Owns the helper process that was started on a guess, until the workers it is for are wanted (forked.py takes it) or are
known not to be. Must never load more than that takes, nor guess (runtime/opening.py does).

Why a helper without anything that uses it: beside a loop that holds the GIL each module loaded costs its file reads as
many waits for the GIL, a millisecond and more. The helper is half ready by the time that the supervisor is loaded; and
where the loop or threads turn out to be better, nothing else was.
"""

from __future__ import annotations

import atexit
import os
from _thread import RLock
from sys import modules

from alongside.workers.helper import Helper, possible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SUPERVISOR = "alongside.workers.supervisor"
_lock = RLock()
"""Re-entrant: a signal handler, or a finaliser, may fork or run something amid any of this."""
_helper: Helper | None = None


def begin(fn: Any, values: tuple[Any, ...] = ()) -> None:
    """Start the helper, have it import what `fn` will need, and such values, and return at once; nothing where none can
    be had."""
    global _helper
    if _SUPERVISOR in modules:
        prepare(fn, 0, values)
    elif possible():
        with _lock:
            helper = _helper or Helper()
            if _helper not in (None, helper):  # a signal handler has begun another meanwhile
                helper.abort()
                helper = _helper
            _helper = helper
            from alongside.workers.preloads import modules_of  # here, where it is starting already

            for frame in helper.news(modules_of(fn, values)):
                helper.channel.send(frame)


def taken() -> Helper | None:
    """The helper that was started, which is the caller's from now on."""
    global _helper
    with _lock:
        helper, _helper = _helper, None
    if helper is not None and not helper.intact():
        helper.disown()
        return None
    return helper


def prepare(fn: Any, workers: int, values: tuple[Any, ...] = ()) -> None:
    """Begin what a run of `fn` on so many workers will need, for such values. Returns at once."""
    from alongside.workers.preloads import modules_of
    from alongside.workers.supervisor import supervisor

    supervisor.prepare(modules_of(fn, values), workers)


def ready() -> int:
    """How many workers are there already."""
    supervisor = _supervisor()
    return 0 if supervisor is None else int(supervisor.up)


def coming() -> bool:
    """Whether workers that were prepared are about to be there."""
    supervisor = _supervisor()
    return supervisor is not None and bool(supervisor.coming)


def let_go() -> None:
    """End what was prepared and is not there yet."""
    _abort()
    supervisor = _supervisor()
    if supervisor is not None:
        supervisor.let_go()


def _abort() -> None:
    """End the helper that nobody has taken."""
    helper = taken()
    if helper is not None:
        helper.abort()


def _supervisor() -> Any:
    """The one there is, if it has been loaded."""
    return getattr(modules.get(_SUPERVISOR), "supervisor", None)


def _forget() -> None:
    """In a forked child: the helper is the parent's."""
    global _helper
    _lock.release()
    helper, _helper = _helper, None
    if helper is not None and helper.intact():
        helper.forget()


atexit.register(_abort)
if hasattr(os, "register_at_fork"):
    # The lock is taken before the fork, so that no descriptor is inherited that `_forget` does not know of.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_forget)
