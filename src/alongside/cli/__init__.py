"""The command line: `alongside map`, `report`, `advise`, `compare`, `doctor`, `guide`.

Owns the entry point. Must stay as light as an empty module: workers import `alongside.cli.examples` through here, so
typer and rich are loaded only when `main` is called. Must never hold logic of its own: commands read input, call the
public API, and print (`map` asks the composition root, for an `imap` with its timeline).
"""

from __future__ import annotations


def main() -> int:
    """Run the command line with the process's arguments; the exit code.

    Why the whole of it is inside `try`: Ctrl-C while typer is still loading must not end in a traceback either.
    """
    try:
        from alongside.cli.app import run

        return run()
    except KeyboardInterrupt:
        return 130
