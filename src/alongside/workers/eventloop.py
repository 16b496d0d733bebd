"""Which event loop a run uses: uvloop's where it is installed, asyncio's own with leaner timers otherwise.

Owns that choice for every loop alongside starts: beside the caller, in the caller and in worker processes. Must never
touch a loop that is the user's.
"""

from __future__ import annotations

import asyncio

from alongside.workers.leanloop import lean


def new_loop() -> asyncio.AbstractEventLoop:
    """A new event loop."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return lean(asyncio.new_event_loop())
    loop: asyncio.AbstractEventLoop = new_event_loop()
    return loop
