"""Monte Carlo with reproducible seeds: how likely is a project to be late? Needs nothing.

    python examples/monte_carlo.py [WORKERS]

With `seed=`, what a task draws depends on the seed and the task's index, so the answer is the same to the last digit
with one worker or twenty, in a loop, in threads or in processes.
"""

import random
import sys
from statistics import mean, quantiles

import alongside

STEPS = {  # days: at best, most likely, at worst; and what has to be done before
    "design": ((5, 8, 15), ()),
    "parts": ((10, 12, 40), ("design",)),
    "software": ((15, 25, 60), ("design",)),
    "assembly": ((4, 5, 9), ("parts",)),
    "trial": ((3, 6, 20), ("assembly", "software")),
}
RUNS_PER_TASK, TASKS, DEADLINE = 500, 60, 70


def days() -> float:
    """One project, as it may go."""
    done: dict[str, float] = {}
    for step, ((best, likely, worst), before) in STEPS.items():
        done[step] = max((done[other] for other in before), default=0) + random.triangular(best, worst, likely)
    return max(done.values())


def many(_: int) -> list[float]:
    return [days() for _ in range(RUNS_PER_TASK)]


workers = int(sys.argv[1]) if sys.argv[1:] else None
run = alongside.run(many, range(TASKS), seed=2024, max_workers=workers)
lengths = [length for lengths in run.results for length in lengths]
tenths = quantiles(lengths, n=10)
print(f"{len(lengths):,} projects: {mean(lengths):.6f} days on average, nine in ten within {tenths[-1]:.6f}")
print(f"late (more than {DEADLINE} days): {sum(length > DEADLINE for length in lengths) / len(lengths):.2%}")

again = alongside.map(many, range(TASKS), seed=2024, backend="processes", max_workers=2)
print("the same numbers from two processes:", again == run.results)
