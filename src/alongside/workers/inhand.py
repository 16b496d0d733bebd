"""What the parent reads from a worker's page: the task it has in its hands.

Owns the meaning of the fields to a reader. Must never write them.
"""

from __future__ import annotations

from collections.abc import Sequence

from alongside.core.model import Running
from alongside.workers.page import ONE_OF_THEM
from alongside.workers.runner import BATCH, OFFSET, SINCE, STEP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BLOCKED = 0.25
"""Seconds that a coroutine which is overdue may keep its loop before the worker is killed for it. Where many programs
share the CPUs one that is just being cancelled may be kept from them for more than 0.1 s."""


def in_hand(page: Any) -> tuple[Running, ...]:
    """The task, where it is known which of its batch."""
    offset = page[OFFSET]
    known = offset and offset != ONE_OF_THEM
    return (Running(page[BATCH], offset - 1, page[SINCE] * 1e-9),) if known else ()


def suspects(page: Any) -> tuple[int, ...]:
    """The batch, where it is not known which of its tasks."""
    return (page[BATCH],) if page[OFFSET] == ONE_OF_THEM else ()


def running(page: Any, loops: bool, timeout: float) -> Sequence[Running]:
    """What may be overdue. Of coroutines only one that does not let its loop go: the others end themselves on time.

    It counts as overdue `BLOCKED` after it should have ended, since the loop may just be about to end it. Where it is
    not known which task of a batch is in hand, that one may be overdue all the same.
    """
    known = in_hand(page)
    if not known:
        return tuple(Running(batch, -1, page[SINCE] * 1e-9) for batch in suspects(page))
    if not loops:
        return known
    since = max(page[SINCE], page[STEP] + int((BLOCKED - timeout) * 1e9)) * 1e-9
    return (known[0]._replace(since=since),)
