"""`Executor.map` of many calls handed over together.

Owns the iterator that its caller reads. Must never schedule: the calls are pushed into the executor's service.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from multiprocessing import TimeoutError as MultiprocessingTimeoutError
from typing import Any

from alongside.faces.outcomes import IMapIterator, Raises
from alongside.runtime.pushed import Stretch
from alongside.runtime.service import Service
from alongside.workers.calls import Calls


def mapped(service: Service, calls: Calls, timeout: float | None, raises: Raises) -> Iterator[Any]:
    """Push the calls; an iterator of what they come to, in order."""
    results = IMapIterator(raises=raises)
    results.ended(len(calls))
    if len(calls):
        service.push_all(Stretch(results, 0, calls))
    return _read(service, results, None if timeout is None else time.monotonic() + timeout)


def _read(service: Service, results: IMapIterator, until: float | None) -> Iterator[Any]:
    """Each result, not kept here; what was not sent when the reader leaves, or a call has failed, is dropped."""
    try:
        while True:
            try:
                ready = results.wait_for_some(None if until is None else max(0.0, until - time.monotonic()))
            except StopIteration:
                return
            except MultiprocessingTimeoutError:
                raise TimeoutError from None
            while ready:
                yield ready.popleft()
    finally:
        service.forget(results)
