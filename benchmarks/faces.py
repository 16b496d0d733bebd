"""Each face beside the tool it replaces, on that tool's own ground: `python -m benchmarks faces`.

Owns: the list of rows. Must never: measure.
"""

from __future__ import annotations

from benchmarks import rows_faces
from benchmarks.suite import Suite

SUITE = Suite(
    "faces",
    __doc__,
    {
        "pool-map": rows_faces.pool_map,
        "executor-map": rows_faces.executor_map,
        "thread-submits": rows_faces.thread_submits,
        "joblib-small": rows_faces.joblib_small,
        "joblib-arrays": rows_faces.joblib_arrays,
        "grid-search": rows_faces.grid_search,
        "random-forest": rows_faces.random_forest,
    },
)
