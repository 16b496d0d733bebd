"""Waiting, against those who wait: `python -m benchmarks io`.

Owns: the list of rows. Must never: measure.
"""

from __future__ import annotations

from benchmarks import rows_pages, rows_waiting
from benchmarks.suite import Suite

SUITE = Suite(
    "io",
    __doc__,
    {
        "brief": rows_waiting.brief,
        "naps": rows_waiting.naps,
        "coroutines": rows_waiting.coroutines,
        "memory": rows_waiting.memory,
        "pages": rows_pages.pages,
        "parsed": rows_pages.parsed,
        "polite": rows_pages.polite,
        "hostile": rows_pages.hostile,
    },
)
