"""The process workers against their peers and the hardware: `python -m benchmarks engines`.

Owns: the list of rows. Must never: measure.
"""

from __future__ import annotations

from benchmarks import rows_arrays, rows_constant, rows_schedule, rows_small, rows_start
from benchmarks.suite import Suite

SUITE = Suite(
    "engines",
    __doc__,
    {
        "million": rows_small.million,
        "one-at-a-time": rows_small.one_at_a_time,
        "burst": rows_small.burst,
        "heavy-tail": rows_schedule.heavy_tail,
        "one-giant": rows_schedule.one_giant,
        "arguments": rows_arrays.arguments,
        "results": rows_arrays.results,
        "both": rows_arrays.both,
        "constant-time": rows_constant.constant_time,
        "constant-changed": rows_constant.constant_changed,
        "constant-memory": rows_constant.constant_memory,
        "fresh-script": rows_start.fresh_script,
        "fresh-script-numpy": rows_start.fresh_script_numpy,
        "first-line": rows_start.first_line,
        "first-line-numpy": rows_start.first_line_numpy,
        "next-call": rows_start.next_call,
        "scaling": rows_schedule.scaling,
    },
)
