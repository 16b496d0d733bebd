"""The guide's chapters as scripts that the reader can change and run again.

Owns how a script is put together from the very functions that the guide runs. Must never overwrite what the reader has
changed.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alongside.cli.chapters import Chapter

IMPORTS = (
    "import asyncio",
    "import time",
    "from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor",
    "from multiprocessing import Pool",
    "from urllib.parse import urlsplit",
    "import alongside",
    "from alongside.cli.loopback import SlowServer",
)
HEAD = '''"""{title}: chapter {number} of `alongside guide`. Change what you like, and run it again:

    python {name}
"""

'''
RACE = '''
def clocked(work, items):
    """Run it; print the time on the clock, the time this process computed, and what came of it."""
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        answer = work(items)
    except Exception as error:
        answer = error
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{work.__name__:30} {wall:9.4f} s on the clock {cpu:9.4f} s of CPU here   {shown(answer)}")


def shown(answer):
    if isinstance(answer, alongside.Run):
        return f"{answer.plan.backend}: {answer.plan.reasons[0]}"
    return repr(answer) if len(repr(answer)) < 60 else f"{repr(answer)[:56]} ..."


if __name__ == "__main__":  # for multiprocessing; alongside does not need it
'''


def save(chapters: Iterable[tuple[int, Chapter]], folder: Path) -> list[Path]:
    """Write a script for each chapter that has code; those that are there already stay as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, chapter in chapters:
        if chapter.tries:
            path = folder / file_name(number, chapter)
            if not path.exists():
                path.write_text(script(number, chapter), encoding="utf-8")
            paths.append(path)
    return paths


def file_name(number: int, chapter: Chapter) -> str:
    """`2-squares.py`."""
    return f"{number}-{chapter.show.__name__}.py"


def script(number: int, chapter: Chapter) -> str:
    """A chapter's functions, and a stopwatch around them."""
    sources = [inspect.getsource(function).rstrip() for function in (*chapter.functions, *chapter.tries)]
    body = "\n\n\n".join(sources)
    if re.search(r"\bseen\b", body):
        body = f"seen = []\n\n\n{body}"
    runs = "\n".join(f"clocked({work.__name__}, {chapter.items})" for work in chapter.tries)
    if "server" in chapter.items:
        runs = "with SlowServer(0.05) as server:  # answers each request after 50 ms\n" + _indented(runs)
    text = f"{body}\n\n{RACE}{_indented(runs)}\n"
    imports = [line for line in IMPORTS if _used(line, text)]
    head = HEAD.format(title=chapter.title, number=number, name=file_name(number, chapter))
    return head + "\n".join(imports) + "\n\n\n" + text


def _used(line: str, text: str) -> bool:
    names = line.partition("import ")[2].split(", ")
    return any(re.search(rf"\b{name}\b", text) for name in names)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
