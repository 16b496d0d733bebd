"""What each backend of our own can do, and what it roughly costs: the choice is made from this.

Owns the declarations. Must never import a backend: of those that are not chosen none is loaded, which is most of what
it takes to look at a loop for the first time.
"""

from __future__ import annotations

from alongside.core.ports import Capabilities

SERIAL = Capabilities(in_caller=True)

THREADS = Capabilities(overlaps_waiting=True, grows_to=256, start_seconds=0.0001, task_seconds=0.00005)

PROCESSES = Capabilities(
    shares_memory=False,
    escapes_gil=True,
    overlaps_waiting=True,
    killable=True,
    needs_pickling=True,
    loops_apart=True,
    start_seconds=0.04,
    task_seconds=0.0001,
)

ASYNCIO = Capabilities(
    overlaps_waiting=True,
    cancellable=True,
    runs_coroutines_together=True,
    in_event_loop=True,
    grows_to=1000,
    task_seconds=0.00001,
)
