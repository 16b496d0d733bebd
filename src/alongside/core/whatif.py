"""What would change the choice: the same facts with one thing different, chosen again, in plain words.

Owns the questions and the words of the answers. Must never weigh anything itself: every figure is what
`core/choose.py` predicts.
"""

from __future__ import annotations

from collections.abc import Iterator

from alongside.core.choose import Candidates, Facts, Plan, Wishes, choose, span, why_not
from alongside.core.teaching import SENDING, weight

CLEARLY = 0.8
"""Something is worth mentioning if it takes less than this share of the time."""

TOGETHER = 1000
"""Items that a function might take at once, where one alone is too small."""

MANY = 10**9
"""Items beyond which nobody asks."""


def prospects(facts: Facts, plan: Plan, candidates: Candidates, wishes: Wishes = Wishes()) -> tuple[str, ...]:
    """What would be otherwise with more items, larger or lighter ones, another machine, another kind of function."""
    if not facts.wall:
        return ()
    return tuple(text for ask in _QUESTIONS for text in ask(facts, plan, candidates, wishes))


def _ten_times(facts: Facts, plan: Plan, candidates: Candidates, wishes: Wishes) -> Iterator[str]:
    done = 0 if facts.tasks_left in (None, facts.tasks_seen) else facts.tasks_seen  # the rest speaks for all of it
    more = facts._replace(tasks_left=10 * (facts.left + done))
    then = choose(more, candidates, wishes)
    said = f"With ten times as many items ({more.left:,})"
    if then.backend == plan.backend:
        yield f"{said} the choice would be the same: about {_time(then)}."
    else:
        yield f"{said} it would be {then.backend}: about {_time(then)}, {plan.backend} {_of(then, plan.backend)}."


def _turning_point(facts: Facts, plan: Plan, candidates: Candidates, wishes: Wishes) -> Iterator[str]:
    """From how many items on another backend wins; said where ten times as many does not say it already."""
    if not candidates[plan.backend].in_caller:
        return
    items = max(facts.left, 1)
    while items < MANY:
        items *= 2
        then = choose(facts._replace(tasks_left=items), candidates, wishes)
        if then.backend != plan.backend:
            yield f"From about {_rounded(items)} items on, {then.backend} would take less time."
            return


def _larger_items(facts: Facts, plan: Plan, candidates: Candidates, wishes: Wishes) -> Iterator[str]:
    if not candidates[plan.backend].in_caller or facts.wall > 100 * SENDING or facts.left < 2 * TOGETHER:
        return
    apart = next((caps for caps in candidates.values() if caps.needs_pickling), None)
    if apart is None or facts.unpicklable:
        return
    alone = apart.task_seconds + facts.pickle_seconds
    yield (
        f"A call takes {span(facts.wall)}; handing one item to a worker process costs {span(alone)}, and "
        f"{span(SENDING)} at the least when many go together. Let the function take a list or an array of "
        f"{TOGETHER:,} items at a time: there is then more to share out, and less to hand over."
    )


def _lighter_items(facts: Facts, plan: Plan, candidates: Candidates, wishes: Wishes) -> Iterator[str]:
    lighter = facts._replace(pickle_seconds=0.0, item_bytes=0, result_bytes=0)
    then = choose(lighter, candidates, wishes)
    if facts.pickle_seconds > 0.2 * facts.wall and _time_of(then) < CLEARLY * _time_of(plan):
        nbytes = (facts.item_bytes or 0) + (facts.result_bytes or 0)
        yield (
            f"Sending an item and its result ({weight(nbytes)}) to a process costs {span(facts.pickle_seconds)}. With "
            "items that weigh nothing (a path, a key or a range, from which the function loads its data) it would be "
            f"{then.backend}: about {_time(then)}."
        )


def _if_it_could_be_sent(facts: Facts, plan: Plan, candidates: Candidates, wishes: Wishes) -> Iterator[str]:
    if facts.unpicklable:
        then = choose(facts._replace(unpicklable=""), candidates, wishes)
        if _time_of(then) < CLEARLY * _time_of(plan):
            yield f"If that could be sent to a process it would be {then.backend}: about {_time(then)}."


def _more_cpus(facts: Facts, plan: Plan, candidates: Candidates, wishes: Wishes) -> Iterator[str]:
    more = facts._replace(cpus=4 * facts.cpus)
    then = choose(more, candidates, wishes)
    if facts.waiting < 0.5 * facts.wall and _time_of(then) < CLEARLY * _time_of(plan):
        other = f"it would be {then.backend}:" if then.backend != plan.backend else "it would take"
        yield f"With {more.cpus} CPUs {other} about {_time(then)}."


def _as_async(facts: Facts, plan: Plan, candidates: Candidates, wishes: Wishes) -> Iterator[str]:
    if facts.coroutine or facts.waiting < 0.5 * facts.wall:
        return
    then = choose(facts._replace(coroutine=True), candidates, wishes)
    if candidates[then.backend].runs_coroutines_together and _time_of(then) < CLEARLY * _time_of(plan):
        yield f"Written as an async function, more calls could wait at once: {then.backend}, about {_time(then)}."


def not_for_this(facts: Facts, candidates: Candidates, wishes: Wishes) -> dict[str, str]:
    """The backends that were not considered, and why."""
    found = {name: why_not(facts, caps, wishes) for name, caps in candidates.items()}
    return {name: why for name, why in found.items() if why}


_QUESTIONS = (
    _ten_times,
    _turning_point,
    _larger_items,
    _lighter_items,
    _if_it_could_be_sent,
    _more_cpus,
    _as_async,
)


def _time_of(plan: Plan) -> float:
    return plan.predictions[plan.backend]


def _time(plan: Plan) -> str:
    return span(_time_of(plan))


def _of(plan: Plan, backend: str) -> str:
    return span(plan.predictions[backend]) if backend in plan.predictions else "cannot be used"


def _rounded(items: int) -> str:
    """A number of items with one digit that means something."""
    digits = 10 ** (len(str(items)) - 1)
    return f"{round(items / digits) * digits:,}"
