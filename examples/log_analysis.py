"""Which pages are slow, and which break? Sums up the web server logs of a week, a file per task.

python examples/log_analysis.py [FOLDER]      without FOLDER it makes itself a week of logs
"""

import gzip
import random
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import alongside

LINE = re.compile(r'"(?:GET|POST) (?P<page>\S+)[^"]*" (?P<status>\d{3}) (?P<ms>\d+)ms')


class Summary(NamedTuple):
    hits: Counter[str]
    errors: Counter[str]
    milliseconds: Counter[str]


def summary(path: Path) -> Summary:
    found = Summary(Counter(), Counter(), Counter())
    with gzip.open(path, "rt") as lines:
        for match in filter(None, map(LINE.search, lines)):
            page = match["page"]
            found.hits[page] += 1
            found.errors[page] += match["status"] >= "500"
            found.milliseconds[page] += int(match["ms"])
    return found


def make_logs(folder: Path, lines: int = 30_000) -> None:
    pages = {"/": 20, "/search": 180, "/basket": 60, "/pay": 400}
    for day in range(7):
        chance = random.Random(day)
        with gzip.open(folder / f"day-{day}.log.gz", "wt", compresslevel=1) as log:
            for page in chance.choices(list(pages), (70, 20, 8, 2), k=lines):
                status = 503 if page == "/pay" and chance.random() < 0.05 else 200
                log.write(f'10.0.0.1 "GET {page} HTTP/1.1" {status} {int(chance.expovariate(1 / pages[page]))}ms\n')


with tempfile.TemporaryDirectory() as made:
    folder = Path(sys.argv[1] if sys.argv[1:] else made)
    if folder == Path(made):
        make_logs(folder)
    run = alongside.run(summary, sorted(folder.glob("*.log.gz")))
    for failure in run.failures:
        print(f"left out: {failure.item.name}: {failure.exception}")
    days = [outcome.value for outcome in run.outcomes if outcome.ok]
    hits, errors, times = (sum(counts, Counter[str]()) for counts in zip(*days, strict=True))
    for page, count in hits.most_common():
        print(f"{page:10} {count:8,} hits {times[page] / count:6.0f} ms {errors[page] / count:7.2%} errors")
    print(f"{run.stats.tasks} files in {run.stats.seconds:.2f} s with {run.plan.backend}")
