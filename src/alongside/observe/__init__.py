"""Readers of the event stream. Any of them can be deleted without changing a result."""
