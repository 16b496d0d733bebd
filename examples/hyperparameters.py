"""A hyper-parameter search: kernel ridge regression in plain numpy, a setting per task. Needs numpy.

    python examples/hyperparameters.py

Fits that fail (here: a matrix that cannot be inverted) cost themselves only; `timeout` ends those that take too long.
"""

from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

import alongside

FOLDS = 5


class Setting(NamedTuple):
    width: float
    penalty: float


def kernel(a: Any, b: Any, width: float) -> Any:
    return np.exp(-((a[:, None] - b[None, :]) ** 2) / (2 * width**2))


def error(x: Any, y: Any, setting: Setting) -> float:
    """Mean squared error, cross-validated."""
    fold = np.arange(len(x)) % FOLDS
    losses = []
    for left_out in range(FOLDS):
        train, test = fold != left_out, fold == left_out
        gram = kernel(x[train], x[train], setting.width)
        weights = np.linalg.solve(gram + setting.penalty * np.eye(train.sum()), y[train])
        losses.append(np.mean((kernel(x[test], x[train], setting.width) @ weights - y[test]) ** 2))
    return float(np.mean(losses))


chance = np.random.default_rng(5)
x = np.sort(chance.uniform(0, 6, 250))
y = np.sin(2 * x) + chance.normal(scale=0.2, size=x.size)
settings = [Setting(*values) for values in product([0.0, 0.03, 0.1, 0.3, 1.0, 3.0], [1e-3, 1e-2, 0.1, 1.0])]

with np.errstate(divide="raise", invalid="raise"):
    run = alongside.run(partial(error, x, y), settings, timeout=60)

done = sorted((outcome.value, outcome.item) for outcome in run.outcomes if outcome.ok)
for loss, setting in done[:3]:
    print(f"error {loss:.4f}  width {setting.width:<4}  penalty {setting.penalty}")
print(f"{run.stats.tasks} settings in {run.stats.seconds:.2f} s with {run.plan.backend}; {len(run.failures)} failed:")
for failure in run.failures[:1]:
    print(f"  {failure.item}: {type(failure.exception).__name__}: {failure.exception}")
