"""The pure part: values in, values out.

Nothing below this package may start a thread or a process, read a clock, open a file or log: the clock and the
random generator are handed in. The import rules in pyproject.toml hold it to that.
"""
