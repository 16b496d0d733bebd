"""One way of doing one workload, in an interpreter of its own: `regret_child ROW WAY FOLDER WARM TIMES`.

Owns: the clock of one run. Must never: know the other ways, or import a tool before the clock runs.

Prints one line of JSON when all that the tool does at exit has been done: what the first call took with everything
that had to be imported, started and let go of for it, and what each later call took.
"""

from __future__ import annotations

import atexit
import gc
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.regret_counting import counted
from benchmarks.regret_rows import ROWS
from benchmarks.regret_ways import WAYS, Case


class Stamps:
    """What one process has to tell; told last, after everything others do at exit."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}
        self.over = 0.0
        atexit.register(self.tell)

    def tell(self) -> None:
        """Print it. The first call is charged with the letting go."""
        if "first" in self.told:
            self.told["first"] += time.perf_counter() - self.over
        print(json.dumps(self.told), flush=True)


def main(case: Case, way: str, warm: int) -> None:
    """Time one way: the first call with everything around it, and `warm` more."""
    stamps = Stamps()
    gc.collect()
    began = time.perf_counter()
    with WAYS[way](case) as call:
        answer = call()
        stamps.told["first"] = time.perf_counter() - began
        stamps.told["warm"] = [_timed(call) for _ in range(warm)]
        stamps.over = time.perf_counter()
    closing = time.perf_counter() - stamps.over
    stamps.told["answer"] = fingerprint(answer)
    stamps.told["count"] = len(answer)
    stamps.over = time.perf_counter() - closing


def _timed(call: Any) -> float:
    gc.collect()
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def count(case: Case, folder: str) -> None:
    """Have `auto` run the workload twice, cold and warm, with every execution counted in a file; tell the plan too."""
    import alongside

    tally = Path(folder, f"calls-{os.getpid()}")
    fn = counted(case.fn, str(tally))
    answers = len(alongside.map(fn, case.items()))
    mapped = tally.stat().st_size if tally.exists() else 0
    run = alongside.run(fn, case.items())
    executions = max(mapped, (tally.stat().st_size if tally.exists() else 0) - mapped)
    tally.unlink(missing_ok=True)
    print(json.dumps({"items": answers, "executions": executions, **told_plan(run)}))


def told_plan(run: Any) -> dict[str, Any]:
    """The plan of a run, and what it had predicted beside what it took."""
    plan, stats = run.plan, run.stats
    return {
        "backend": plan.backend,
        "workers": plan.max_workers,
        "predicted": plan.predictions.get(plan.backend),
        "took": stats.seconds - stats.planned,
        "reasons": plan.reasons,
    }


def fingerprint(answer: list[Any]) -> str:
    """The same for the same answers, from whatever process."""
    digest = hashlib.sha256()
    for value in answer:
        digest.update(value.tobytes() if hasattr(value, "tobytes") else repr(value).encode())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    row, way, folder, warm, times = sys.argv[1:]
    case = ROWS[row].case(Path(folder)).times(int(times))
    if way == "--count":
        count(case, folder)
    else:
        main(case, way, int(warm))
