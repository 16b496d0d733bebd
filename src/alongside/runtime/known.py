"""What earlier calls have shown of a function: a call that takes long need not be tried in a loop again.

Owns the facts of the functions seen last. Must never collect them (ledger.py, the pilots), nor weigh them
(core/known.py, core/choose.py), nor begin anything.
"""

from __future__ import annotations

from alongside.core.choose import Facts
from alongside.runtime.callables import identity_of, keep_newest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_facts: dict[Any, Facts] = {}


def recall(fn: Any) -> Facts | None:
    """What was seen of a function, if it was."""
    return _facts.get(identity_of(fn))


def keep(fn: Any, facts: Facts) -> None:
    """Remember this of a function."""
    keep_newest(_facts, identity_of(fn), facts)


def keep_of_loop(fn: Any, facts: Facts) -> None:
    """Remember what a plain loop, or a single event loop, has shown. Where that does not tell whether the GIL is held,
    what was known of it before stays."""
    before = recall(fn)
    if facts.gil_held is None and before is not None:
        facts = facts._replace(gil_held=before.gil_held)
    if facts.tasks_seen > 1:
        keep(fn, facts)
