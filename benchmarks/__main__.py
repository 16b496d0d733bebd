"""`python -m benchmarks NAME [options]`: runs one benchmark; without a name, lists them.

Owns: the names. Must never: import a benchmark that was not asked for.
"""

from __future__ import annotations

import sys
from importlib import import_module

from benchmarks.suite import run

BENCHMARKS = {
    "engines": "the process workers against their peers and the hardware's limits",
    "seeing": "what progress and the timeline cost, on against off",
    "io": "waiting: threads, coroutines, a server on the loopback; limits, retries, timeouts",
    "faces": "each face beside the tool it replaces, on that tool's own ground",
    "torture": "what one bad task does to the others, in alongside and its peers",
    "regret": "the automatic choice against every way of doing it by hand",
}


def main() -> int:
    """Run the benchmark named first on the command line with the rest of it."""
    if len(sys.argv) < 2 or sys.argv[1] not in BENCHMARKS:
        print("usage: python -m benchmarks NAME [--help]\n")
        print("\n".join(f"  {name:12s} {about}" for name, about in BENCHMARKS.items()))
        return 0 if len(sys.argv) < 2 else 2
    benchmark = import_module(f"benchmarks.{sys.argv[1]}")
    if hasattr(benchmark, "SUITE"):
        return run(benchmark.SUITE, sys.argv[2:])
    return int(benchmark.main(sys.argv[2:]))


if __name__ == "__main__":
    raise SystemExit(main())
