"""What the documents draw from the code itself: the life of a task, events and commands, the command line.

Owns how these are found and laid out. Must never hold a fact of the engine's: which event moves a task where, and which
commands follow, is read from the coordinator's source, from its own table of handlers on. What the table here names and
the source does not do any more is an error.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from alongside.core import coordinator, dealer, events

STATES = {  # name: (column, row), what it means
    "in the input": ((0, 0), "not yet taken"),
    "ready": ((1, 0), "in the backlog"),
    "in flight": ((2, 0), "with a worker"),
    "put off": ((1, 1), "waits to be tried again"),
    "settled": ((2, 1), "has its outcome"),
    "delivered": ((3, 1), "handed over, in order"),
}
MOVES = {  # what the coordinator calls: how that moves a task
    "_backlog.append": ("in the input", "ready"),
    "_dealer._roster.give": ("ready", "in flight"),
    "_roster.give": ("in the input", "in flight"),
    "_backlog.put_back": ("in flight", "ready"),
    "_backlog.put_off": ("in flight", "put off"),
    "_backlog.release": ("put off", "ready"),
    "_settle": ("in flight", "settled"),
    "_reject": ("ready", "settled"),
    "_deliveries.append": ("settled", "delivered"),
}
INSTEAD = {"_reject": "_settle"}  # a move that is made by way of another one, and stands in its place
ALWAYS = "any event"


def write(folder: Path) -> None:
    """Write every part into `folder`, for the pages to include."""
    folder.mkdir(exist_ok=True)
    parts = {"states.md": task_states(), "events.md": event_table(), "commands.md": command_line()}
    for name, text in parts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# --------------------------------------------------------------------------------------- reading the coordinator


@cache
def _methods(of: type) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(inspect.getsource(of))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def _path(node: ast.expr) -> str:
    """`self._backlog.append` as `_backlog.append`; "" for what does not begin at `self`."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join(reversed(names)) if isinstance(node, ast.Name) and node.id == "self" else ""


def reached(method: str, within: str = "", seen: frozenset[str] = frozenset()) -> set[str]:
    """What a method calls, also by way of the coordinator's and the dealer's own methods; commands as `ev.Name`."""
    found: set[str] = set()
    of = dealer.Dealer if within else coordinator.Coordinator
    if method in seen or method not in _methods(of):
        return found
    for node in ast.walk(_methods(of)[method]):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "ev":
            found.add(f"ev.{node.func.attr}")
        elif path := _path(node.func):
            found.add(within + path)
            home, _, name = (within + path).rpartition(".")
            if home in ("", "_dealer"):
                further = reached(name, f"{home}." if home else "", seen | {method})
                found |= further - {INSTEAD.get(path, "")}
    return found


def handlers() -> dict[str, set[str]]:
    """For each event, by the coordinator's own table: what its handler reaches."""
    table = coordinator._HANDLERS
    return {event.__name__: reached(handler.__name__) for event, handler in table.items()}


def moves() -> dict[tuple[str, str], list[str]]:
    """For each way from state to state: the events that move a task so."""
    edges: dict[tuple[str, str], list[str]] = {}
    for event, calls in {**handlers(), ALWAYS: reached("handle")}.items():
        for call in sorted(calls & MOVES.keys()):
            edges.setdefault(MOVES[call], []).append(event)
    unused = {edge for edge in MOVES.values() if edge not in edges}
    if unused:
        raise LookupError(f"the coordinator does not move a task so any more: {sorted(unused)}; mend MOVES")
    return {edge: [ALWAYS] if ALWAYS in names else names for edge, names in edges.items()}


def commands_after() -> Iterator[tuple[str, list[str]]]:
    """Each event with the commands that only it brings, and at last those that may follow any event."""
    known = {member.__name__ for member in events.Command.__args__}
    after_any = {name for name in known if f"ev.{name}" in reached("handle")}
    for event, calls in handlers().items():
        yield event, sorted({name for name in known if f"ev.{name}" in calls} - after_any)
    yield ALWAYS, sorted(after_any)


# ------------------------------------------------------------------------------------------------------ drawing

WIDE, HIGH, APART, BELOW = 150, 56, 240, 170
STYLE = 'style="width:100%" fill="none" stroke="currentColor" font-family="inherit" font-size="13"'
TIP = 'id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"'


def _corner(state: str) -> tuple[int, int]:
    column, row = STATES[state][0]
    return 10 + column * APART, 60 + row * BELOW


def task_states() -> str:
    """The life of a task: an SVG in its page's own colours."""
    width, height = 10 + 3 * APART + WIDE + 10, 60 + BELOW + HIGH + 40
    parts = [
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="The life of a task" {STYLE}>',
        f"<defs><marker {TIP}><path d='M0 0 8 4 0 8z' fill='currentColor' stroke='none'/></marker></defs>",
        *(_box(state, meaning) for state, (_, meaning) in STATES.items()),
        *(_arrow(*edge, names) for edge, names in moves().items()),
        "</svg>",
    ]
    return "```{raw} html\n" + "\n".join(parts) + "\n```\n"


def _box(state: str, meaning: str) -> str:
    x, y = _corner(state)
    return (
        f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="8" stroke-width="1.5"/>'
        + _text(x + WIDE / 2, y + 24, state, 'font-weight="bold"')
        + _text(x + WIDE / 2, y + 43, meaning)
    )


def _text(x: float, y: float, text: str, more: str = "") -> str:
    around = "paint-order:stroke;stroke:var(--color-background-primary,#fff);stroke-width:4"
    return (
        f'<text x="{x}" y="{y}" text-anchor="middle" fill="currentColor" style="{around}" {more}>{escape(text)}</text>'
    )


def _arrow(start: str, end: str, names: list[str]) -> str:
    """A line from box to box; two boxes with a way there and one back have them side by side."""
    (x1, y1), (x2, y2) = _corner(start), _corner(end)
    back = 14 if (end, start) in MOVES.values() else 0
    label = ", ".join(names)
    if abs(x1 - x2) > APART:  # over a box in between
        middle = (x1 + x2 + WIDE) / 2
        path = f"M{x1 + WIDE / 2} {y1} Q{middle} {y1 - 90} {x2 + WIDE / 2} {y2}"
        return f'<path d="{path}" marker-end="url(#tip)"/>{_text(middle, y1 - 30, label)}'
    if y1 == y2:
        side = back if x1 < x2 else -back
        a, b = (x1 + WIDE, x2) if x1 < x2 else (x1, x2 + WIDE)
        y = y1 + HIGH / 2 - side
        return _line(a, y, b, y) + _text((a + b) / 2, y - 8 if side >= 0 else y + 18, label)
    if x1 == x2:
        x, a, b = x1 + WIDE / 2, *((y1 + HIGH, y2) if y1 < y2 else (y1, y2 + HIGH))
        return _line(x, a, x, b) + _text(x, (a + b) / 2 + 4, label)
    a, b = (x1 + WIDE, x2) if x1 < x2 else (x1, x2 + WIDE)
    part = 0.75 if x1 < x2 else 0.25  # not in the middle, where two such arrows may cross
    return _line(a, y1 + HIGH, b, y2) + _text(a + part * (b - a), y1 + HIGH + part * (y2 - y1 - HIGH) + 4, label)


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1} {y1} L{x2} {y2}" marker-end="url(#tip)"/>'


def event_table() -> str:
    """Every event: what it says has happened, and what it may bring."""
    rows = ["| event | what has happened | may bring |", "|---|---|---|"]
    for name, commands in commands_after():
        told = "" if name == ALWAYS else _first_sentence(getattr(events, name))
        rows.append(f"| `{name}` | {told} | {', '.join(f'`{command}`' for command in commands)} |")
    rows += ["", "| command | what is to be done |", "|---|---|"]
    rows += [f"| `{command.__name__}` | {_first_sentence(command)} |" for command in events.Command.__args__]
    return "\n".join(rows) + "\n"


def _first_sentence(of: type) -> str:
    text = " ".join(inspect.cleandoc(of.__doc__ or "").split())
    return text.partition(". ")[0].rstrip(".").replace("|", "\\|")


# -------------------------------------------------------------------------------------------- the command line


def command_line() -> str:
    """Every command with its help, its arguments and its options, from the program itself."""
    import typer.main

    from alongside.cli.app import app

    group: Any = typer.main.get_command(app)
    return "\n".join(_command(name, command) for name, command in group.commands.items())


def _command(name: str, command: Any) -> str:
    arguments = " ".join(param.metavar or param.name.upper() for param in command.params if _is_argument(param))
    rows = [f"| {_names(param)} | {_told(param)} |" for param in command.params if not getattr(param, "hidden", False)]
    heading = [f"## alongside {name}", "", f"`alongside {name} {arguments}`".replace(" `", "`"), ""]
    return "\n".join([*heading, inspect.cleandoc(command.help or ""), "", "| | |", "|---|---|", *rows, ""])


def _is_argument(param: Any) -> bool:
    return bool(param.param_type_name == "argument")


def _names(param: Any) -> str:
    if _is_argument(param):
        return f"`{param.metavar or param.name.upper()}`"
    return ", ".join(f"`{name}`" for name in param.opts)


def _told(param: Any) -> str:
    default = param.default
    told = (getattr(param, "help", None) or "").replace("|", "\\|")
    plain = isinstance(default, (int, float, str)) and not isinstance(default, bool)
    return f"{told} Default: `{default}`." if plain and str(default) else told
