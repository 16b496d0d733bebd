"""`import alongside.joblib` makes the backend "alongside" known to joblib.

Public names, nothing else. joblib has no other way of hearing of a backend than somebody's telling it.
"""

from __future__ import annotations

from alongside.faces.joblib import AlongsideBackend, register

__all__ = ["AlongsideBackend", "register"]
