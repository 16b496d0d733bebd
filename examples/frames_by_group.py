"""Frames, group by group: a robust trend for every sensor of a table. Needs pandas.

    python examples/frames_by_group.py

Each group goes to a worker as the arrays it is made of, not as text; a small row comes back.
"""

from typing import Any

import numpy as np
import pandas as pd

import alongside

SENSORS, READINGS = 24, 400


def readings() -> pd.DataFrame:
    """Every sensor drifts at a rate of its own; one reading in twenty is nonsense."""
    chance = np.random.default_rng(2)
    sensor = np.repeat(np.arange(SENSORS), READINGS)
    hour = np.tile(np.arange(READINGS), SENSORS)
    value = 20 + 0.01 * (sensor - SENSORS / 2) * hour + chance.normal(scale=0.5, size=sensor.size)
    value[chance.random(sensor.size) < 0.05] = 999
    return pd.DataFrame({"sensor": sensor, "hour": hour, "value": value})


def trend(group: tuple[int, pd.DataFrame]) -> dict[str, Any]:
    """The Theil-Sen slope: the median of the slopes between all pairs of readings."""
    sensor, frame = group
    hour, value = frame["hour"].to_numpy(float), frame["value"].to_numpy()
    first, second = np.triu_indices(len(frame), k=1)
    slopes = (value[second] - value[first]) / (hour[second] - hour[first])
    return {"sensor": sensor, "drift": float(np.median(slopes)), "outliers": int((value > 900).sum())}


run = alongside.run(trend, readings().groupby("sensor"))
table = pd.DataFrame(run.results).set_index("sensor")
truth = 0.01 * (table.index - SENSORS / 2)
print(table.iloc[[0, SENSORS // 2, -1]].round(3))
print(f"largest error of a drift: {np.abs(table['drift'] - truth).max():.4f}")
print(f"{run.stats.tasks} groups in {run.stats.seconds:.2f} s with {run.plan.backend}")
