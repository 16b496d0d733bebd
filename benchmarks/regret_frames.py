"""What the workloads of `regret` do with pandas and scikit-learn.

Owns: the work itself. Must never: import a parallel library.
"""

from __future__ import annotations

from typing import Any


def summarise(group: Any) -> float:
    """One group of a frame: sort, difference, rolling mean, in pandas."""
    group = group.sort_values("when")
    smooth = group["value"].rolling(20).mean().diff().fillna(0.0)
    ranks = smooth.rank() + group["value"].rank()
    return round(float(ranks.std()), 6)


def fit(depth: int) -> float:
    """Fit a small model and score it."""
    import numpy as np
    from sklearn.tree import DecisionTreeRegressor

    rng = np.random.default_rng(depth)
    x = rng.normal(size=(1500, 8))
    y = x[:, 0] * x[:, 1] + rng.normal(size=1500)
    return round(float(DecisionTreeRegressor(max_depth=4 + depth % 6, random_state=0).fit(x, y).score(x, y)), 6)
