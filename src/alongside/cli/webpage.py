"""The guide as a page: one HTML file that needs no network.

Owns the page's look. Must never let text become markup: jinja2 escapes all of it, but for the code that pygments has
escaped and coloured itself. Must never hold a script.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alongside.cli.stage import Bar, Stage

TEMPLATE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; --soft: #8884; --ours: #2e9e5b; --hand: #5b7fc7 }
body { font: 17px/1.55 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem }
pre { padding: .8rem 1rem; border-radius: 6px; background: #8881; overflow-x: auto; font-size: 14px; line-height: 1.4 }
table { border-collapse: collapse; font-size: 15px; display: block; overflow-x: auto; margin: 1rem 0 }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--soft); vertical-align: top }
.bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: .35rem .8rem; align-items: center }
.bars i { display: block; height: 1rem; min-width: 2px; border-radius: 3px; background: var(--hand) }
.bars i.ours { background: var(--ours) }
figure { margin: 1rem 0 } figcaption { font-size: 15px; opacity: .75; margin-bottom: .4rem }
nav ol { columns: 2 }
{{ light }}
@media (prefers-color-scheme: dark) { {{ dark }} }
</style>
<h1>{{ title }}</h1>
<p>Every figure on this page was measured on this machine when the page was made: {{ machine }}.</p>
<nav><ol>{% for part in parts if part.kind == "title" %}<li><a href="#c{{ loop.index }}">{{ part.text }}</a>{% endfor %}
</ol></nav>
{% set chapter = namespace(number=0) %}
{% for part in parts %}
{% if part.kind == "title" %}{% set chapter.number = chapter.number + 1 %}
<h2 id="c{{ chapter.number }}">{{ part.text }}</h2>
{% elif part.kind == "text" %}<p>{{ part.text }}</p>
{% elif part.kind == "code" %}{{ part.markup }}
{% elif part.kind == "table" %}
<table><thead><tr>{% for cell in part.headings %}<th>{{ cell }}{% endfor %}</thead>
<tbody>{% for row in part.rows %}<tr>{% for cell in row %}<td>{{ cell }}{% endfor %}{% endfor %}</tbody></table>
{% else %}
<figure><figcaption>{{ part.heading }}</figcaption><div class="bars">
{% for row in part.rows %}<span>{{ row.label }}</span>
<i class="{{ 'ours' if row.ours }}" style="width:{{ '%.2f' % (100 * row.value / part.longest) }}%"></i>
<span>{{ row.words }}</span>
{% endfor %}</div></figure>
{% endif %}
{% endfor %}
</html>
"""


class Page(Stage):
    """Collects what is shown; `html` makes the page of it."""

    def __init__(self) -> None:
        self._parts: list[dict[str, Any]] = []

    def title(self, text: str) -> None:
        """A chapter's title."""
        self._parts.append({"kind": "title", "text": text.partition(". ")[2] or text})

    def paragraph(self, text: str) -> None:
        """One paragraph."""
        self._parts.append({"kind": "text", "text": text})

    def source(self, text: str) -> None:
        """Python, coloured and escaped by pygments."""
        from markupsafe import Markup
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer

        self._parts.append({"kind": "code", "markup": Markup(highlight(text, PythonLexer(), HtmlFormatter()))})

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table."""
        self._parts.append({"kind": "table", "headings": headings, "rows": rows})

    def bars(self, heading: str, rows: Sequence[Bar]) -> None:
        """A chart of bars."""
        longest = max(row.value for row in rows) or 1.0
        self._parts.append({"kind": "bars", "heading": heading, "rows": rows, "longest": longest})

    def html(self, title: str) -> str:
        """The page as text."""
        import platform

        import jinja2
        from markupsafe import Markup
        from pygments.formatters import HtmlFormatter

        import alongside

        cpus = alongside.cpu_count()
        return (
            jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
            .from_string(TEMPLATE)
            .render(
                title=title,
                parts=self._parts,
                machine=f"{cpus} CPU{'s' * (cpus != 1)}, {platform.system()}, Python {platform.python_version()}",
                light=Markup(HtmlFormatter(style="default").get_style_defs(".highlight")),
                dark=Markup(HtmlFormatter(style="github-dark").get_style_defs(".highlight")),
            )
        )
