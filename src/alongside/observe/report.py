"""The report: one HTML file that opens without a network and shows what a run did.

Owns the page (page/: a jinja2 template, its style and its script) and how it is put together. Must never let text of
the user's become markup or script: jinja2 escapes all of it, data for the script is JSON in which no tag can end, and
the page carries a policy under which only its own three scripts run and nothing is loaded from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import os
from importlib import resources
from typing import Any

from alongside.core.choose import span
from alongside.core.teaching import weight
from alongside.observe.record import Record


def write(record: Record, path: str | os.PathLike[str]) -> None:
    """Write the page."""
    text = page(record)
    with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)


def page(record: Record) -> str:
    """The page as text: about 5 MB, nearly all of it plotly's own script."""
    try:
        import jinja2
        from markupsafe import Markup
        from plotly.offline import get_plotlyjs

        from alongside.observe.figures import LANES_SHOWN, figures
    except ImportError as error:
        remedy = "pip install plotly jinja2 (or alongside with its extra: 'alongside[report]')"
        raise ImportError(f"a report is made with plotly and jinja2, and {error.name} is not here: {remedy}") from None

    made = figures(record)
    plotly, script = get_plotlyjs(), _file("report.js")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"span": span, "weight": weight, "tasks": _tasks}
    template = environment.from_string(_file("report.html"))
    return template.render(
        record=record,
        figures={name: _as_script_data(figure) for name, figure in made.items()},
        style=Markup(_file("report.css")),
        plotly=Markup(plotly),
        script=Markup(script),
        policy=_policy(plotly, script),
        predictions=sorted(record.predictions.items(), key=lambda row: row[1]),
        mean_busy=sum(busy for _, busy in record.utilisation) / max(1, len(record.utilisation)),
        lane_count=record.workers,
        hidden_lanes=max(0, len(record.lanes) - LANES_SHOWN),
    )


def _policy(*scripts: str) -> str:
    """What the page may do: run these scripts, style itself, draw. Nothing is loaded, sent or framed."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _as_script_data(json: str) -> Any:
    """JSON that may stand in a script element: no tag, comment or line separator can begin in it."""
    from markupsafe import Markup

    for char in "<>&\u2028\u2029":
        json = json.replace(char, f"\\u{ord(char):04x}")
    return Markup(json)  # every character that means something to HTML is gone


def _file(name: str) -> str:
    return resources.files("alongside.observe").joinpath("page", name).read_text(encoding="utf-8")


def _tasks(count: int) -> str:
    return f"{count:,} {'task' if count == 1 else 'tasks'}"
